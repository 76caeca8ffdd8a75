"""Expressions of pandas, one a line. Each gives inside what it gives outside, with the names of `_SETUP`."""

PANDAS = r"""
s.rolling(5).mean().iloc[-1]
s.ewm(span=5, adjust=False).mean().iloc[-1]
s.ewm(alpha=0.1).std().iloc[-1]
s.shift(1).iloc[1]
s.pct_change().iloc[1]
s.diff().sum()
df.groupby(df.index // 10)['close'].mean().iloc[0]
df.groupby(df.index // 10).agg({'close': 'last', 'high': 'max'})['high'].iloc[0]
df.merge(df, on='timestamp').shape[1]
pd.merge(df, df, on='timestamp', how='left', suffixes=('', '_r')).shape[1]
pd.concat([df, df], ignore_index=True).shape[0]
pd.concat([s, s], axis=1).shape[1]
df.apply(lambda r: r['close'] * 2, axis=1).sum()
df.apply(np.sum)['close']
df['close'].apply(lambda x: x + 1).sum()
df.iloc[0]['close']
df.iloc[1:3, 0].sum()
df.loc[df['close'] > 30, 'close'].mean()
df.loc[5, 'close']
df.at[5, 'close']
df.iat[5, 0]
s.fillna(0).sum()
s.ffill().bfill().sum()
df.dropna().shape[0]
s.to_numpy().sum()
s.values.sum()
s.tolist()[0]
s.to_list()[0]
pd.cut(s, 3, labels=False).sum()
pd.cut(s, bins=[0, 10, 100]).value_counts().iloc[0]
pd.qcut(s, 4, labels=False).sum()
df[['open', 'close']].corr().iloc[0, 1]
s.corr(s)
s.cov(s)
s.autocorr(1)
s.rank().iloc[0]
s.rank(pct=True).iloc[0]
s.quantile(0.5)
s.describe()['mean']
df.describe().loc['mean', 'close']
s.rolling(5).apply(lambda w: w[-1] - w[0], raw=True).iloc[-1]
s.rolling(5).apply(lambda w: w.iloc[-1]).iloc[-1]
s.rolling(10).std().iloc[-1]
s.rolling(10).corr(pd.Series(h)).iloc[-1]
s.rolling(5, min_periods=1).sum().iloc[0]
s.rolling(5, center=True).mean().iloc[5]
s.rolling(5).quantile(0.5).iloc[-1]
s.rolling(5).agg(['mean', 'std'])['mean'].iloc[-1]
s.rolling(5).skew().iloc[-1] + s.rolling(5).kurt().iloc[-1]
s.expanding().max().iloc[-1]
s.cummax().iloc[-1] + s.cummin().iloc[-1] + s.cumsum().iloc[-1] + s.cumprod().iloc[2]
s.clip(lower=5).iloc[0]
s.where(s > 5, 0).sum()
s.mask(s > 5).sum()
s.between(5, 10).sum()
s.isin([1, 2]).sum()
s.map(lambda x: x * 2).sum()
s.map({1.0: 5}).sum()
s.astype(int).sum()
s.value_counts().iloc[0]
s.unique().size
s.nunique()
s.idxmax()
s.argmax()
s.nlargest(3).sum()
s.sort_values(ascending=False).iloc[0]
s.sort_index().iloc[0]
s.reset_index(drop=True).iloc[0]
df.reset_index().shape[1]
df.set_index('timestamp').shape[1]
df.rename(columns={'close': 'c'})['c'].sum()
df.assign(ret=lambda d: d['close'].pct_change())['ret'].iloc[1]
df.drop(columns=['open']).shape[1]
df.head(3).shape[0]
df.tail(3)['close'].sum()
df.sample(3, random_state=1).shape[0]
df.T.shape[0]
df.sum()['close']
df.mean(axis=1).iloc[0]
df.shape[0]
df.columns.tolist()[0] == 'open'
len(df)
len(df.index)
df['close'].iloc[-1]
df.close.mean()
df.max().max()
df.stack().size
df.melt().shape[0]
df.pivot_table(values='close', index='volume', aggfunc='mean').iloc[0, 0]
df.pivot(index='timestamp', columns='volume', values='close').size
df.duplicated().sum()
df.drop_duplicates('volume').shape[0]
df.isna().sum().sum()
df.notnull().all().all()
df.interpolate().shape[0]
df.replace(1.0, 5.0)['close'].iloc[0]
df.corrwith(s).iloc[0]
df.cov().iloc[0, 0]
df.eq(df).all().all()
sum(r['close'] for _, r in df.iterrows())
sum(r.close for r in df.itertuples())
sum(col.sum() for _, col in df.items())
df.nlargest(2, 'close').shape[0]
df.clip(0, 5).max().max()
df.abs().sum().sum()
df.round(1).iloc[0, 0]
df.values.sum()
df.to_numpy().sum()
len(df.to_dict())
len(df.to_dict('records'))
df.squeeze().shape[0]
df.astype(float).shape[0]
df.copy().shape[0]
df.equals(df)
df.filter(['close']).shape[1]
df.select_dtypes('number').shape[1]
df.dtypes.size
df.memory_usage().size
df.index.size
df.empty
df.explode('close').shape[0]
df.pipe(lambda d: d['close'].sum())
df.transform(lambda x: x * 2)['close'].sum()
df.agg(['sum', 'mean']).loc['sum', 'close']
df.aggregate('sum')['close']
df.groupby('volume')['close'].transform('mean').iloc[0]
df.groupby('volume').apply(lambda g: g['close'].sum()).iloc[0]
df.groupby('volume')['close'].apply(lambda g: g.max()).iloc[0]
df.groupby('volume').size().iloc[0]
sum(len(g) for _, g in df.groupby('volume'))
df.groupby('volume')['close'].rolling(3).mean().iloc[-1]
df.groupby('volume').cumcount().iloc[-1]
df.groupby('volume')['close'].rank().iloc[0]
df.groupby('volume').first()['close'].iloc[0]
df.groupby(['volume', 'open']).sum().shape[0]
df.groupby('volume').get_group(1.0).shape[0]
df.groupby('volume')['close'].agg(['min', 'max', 'std']).iloc[0, 0]
df.groupby('volume').filter(lambda g: len(g) > 1).shape[0]
df.groupby('volume', as_index=False).mean().shape[0]
df.groupby('volume').ngroups
df.unstack().size
df.xs(0)['close']
df.first_valid_index()
df.insert(0, 'z', 1) or df.shape[1]
df.pop('open').sum()
df.update(df) or 1
df.combine_first(df).shape[0]
df.add(1)['close'].sum()
df.sub(df).sum().sum()
df.mul(2)['close'].sum() + df.div(2)['close'].sum()
df.diff().iloc[1, 0]
df.shift().iloc[1, 0]
df.pct_change().iloc[1, 0]
df.rank().iloc[0, 0]
df.rolling(3).mean().iloc[-1, 0]
df.ewm(span=3).mean().iloc[-1, 0]
df.expanding().sum().iloc[-1, 0]
df.cumsum().iloc[-1, 0]
df.quantile([0.1, 0.9]).iloc[0, 0]
df.idxmax()['close']
df.sort_values('close', ascending=False).iloc[0]['close']
df.any().any()
df.count()['close']
df.mode().iloc[0, 0]
df.skew().iloc[0]
df.kurt().iloc[0]
df.sem().iloc[0]
df.nunique()['close']
df.std()['close'] + df.var()['close']
df.median()['close']
df.prod()['volume']
df.reindex(range(100)).shape[0]
df.truncate(before=5).shape[0]
df.where(df > 5).sum().sum()
df.mask(df > 5).sum().sum()
df.map(lambda x: x + 1).iloc[0, 0]
df.to_records().size
len(str(df))
len(repr(s))
s.name is None
s.index[0]
s.dtype == 'float64'
s.size
s.empty
s.iat[0]
s.at[0]
s.get(0)
s[s > 5].count()
s[5]
s[-5:].sum()
s.add(1).sum()
s.dot(s)
s.abs().max()
s.round(1)[0]
s.std() + s.var() + s.sem() + s.skew() + s.kurt()
s.product()
s.mode()[0]
s.searchsorted(5)
s.repeat(2).size
s.drop(0).size
s.combine(s, max).sum()
s.update(s) or 1
s.replace(1.0, 2.0).sum()
s.duplicated().sum()
s.explode().size
s.is_monotonic_increasing
s.is_unique
s.hasnans
s.first_valid_index()
s.last_valid_index()
s.agg(['min', 'max'])['max']
s.agg('mean')
s.agg(np.mean)
s.transform(lambda x: x + 1).sum()
s.pipe(lambda x: x.sum())
s.groupby(s > 5).mean().iloc[0]
s.to_frame('x').shape[1]
len(s.to_dict())
s.rename('x').name == 'x'
s.interpolate().sum()
s.asof(5)
s.equals(s)
sum(v for _, v in s.items())
pd.Series(['a', 'b']).str.upper().iloc[0] == 'A'
pd.Series(['a1', 'b2']).str.extract(r'(\d)').iloc[0, 0] == '1'
pd.Series(['a,b']).str.split(',', expand=True).shape[1]
pd.Series(['x']).str.contains('x').sum()
pd.Series(['x']).str.len().iloc[0]
pd.Series(['a', 'b']).astype('category').cat.codes.sum()
pd.get_dummies(pd.Series(['a', 'b'])).shape[1]
pd.isna(np.nan)
pd.notna(1)
pd.to_numeric(pd.Series(['1', 'x']), errors='coerce').sum()
pd.NA is pd.NA
pd.Timestamp('2026-01-01').dayofweek
pd.Timestamp(2026, 1, 1, 9).hour
pd.Timestamp(data['timestamp'][0], unit='s', tz='UTC').hour
pd.Timedelta('5min').total_seconds()
pd.Timedelta(minutes=5) / pd.Timedelta(minutes=1)
pd.date_range('2026-01-01', periods=3, freq='D').size
pd.bdate_range('2026-01-01', '2026-01-31').size
(pd.Timestamp('2026-01-31') + pd.offsets.MonthEnd(1)).day
(pd.Timestamp('2026-01-01') + pd.offsets.BDay(2)).day
pd.Series(1.0, index=pd.date_range('2026-01-01', periods=60, freq='min')).resample('5min').sum().iloc[0]
pd.Series(c, index=pd.to_datetime(data['timestamp'], unit='s')).resample('15min').ohlc()['high'].iloc[0]
pd.Series(c, index=pd.to_datetime(data['timestamp'], unit='s')).resample('1h').agg(['first', 'last']).iloc[0, 0]
pd.Series(c, index=pd.to_datetime(data['timestamp'], unit='s')).between_time('00:00', '00:10').sum()
pd.Series(c, index=pd.to_datetime(data['timestamp'], unit='s')).at_time('00:10').sum()
pd.Series(c, index=pd.to_datetime(data['timestamp'], unit='s')).rolling('5min').mean().iloc[-1]
pd.Series(c, index=pd.to_datetime(data['timestamp'], unit='s')).groupby(pd.Grouper(freq='30min')).mean().iloc[0]
pd.Series(c, index=pd.to_datetime(data['timestamp'], unit='s')).asfreq('2min').size
pd.to_datetime(df['timestamp'], unit='s').dt.hour.sum()
pd.to_datetime(df['timestamp'], unit='s').dt.tz_localize('UTC').dt.tz_convert('Asia/Kolkata').dt.minute.sum()
pd.to_datetime(df['timestamp'], unit='s').dt.date.nunique()
pd.to_datetime(df['timestamp'], unit='s').dt.strftime('%H:%M').iloc[0] == '00:00'
pd.to_datetime(df['timestamp'], unit='s').dt.floor('15min').nunique()
pd.to_datetime(df['timestamp'], unit='s').dt.dayofweek.iloc[0]
pd.DatetimeIndex(pd.to_datetime(data['timestamp'], unit='s')).hour[0]
pd.to_datetime('2026-01-01 09:15').minute
pd.Index([1, 2, 3]).size
pd.MultiIndex.from_tuples([(1, 2), (3, 4)]).nlevels
pd.MultiIndex.from_product([[1, 2], [3, 4]]).size
pd.IntervalIndex.from_breaks([0, 1, 2]).size
pd.crosstab(pd.Series([1, 1]), pd.Series([1, 2])).size
pd.Categorical(['a', 'b']).codes.sum()
pd.merge_asof(df, df, on='timestamp').shape[0]
pd.melt(df).shape[0]
pd.unique(pd.Series([1, 1])).size
pd.DataFrame({'a': [1, 2]}, index=['x', 'y']).loc['x', 'a']
pd.DataFrame([[1, 2], [3, 4]], columns=list('ab')).sum().sum()
pd.DataFrame([{'a': 1}, {'a': 2}])['a'].sum()
pd.DataFrame.from_dict({'a': [1]}).shape[0]
pd.DataFrame.from_records([(1, 2)], columns=['a', 'b']).shape[1]
pd.Series({'a': 1, 'b': 2})['b']
pd.Series(dtype=float).size
pd.Series(c).std(ddof=0)
isinstance(df, pd.DataFrame) + isinstance(s, pd.Series)
pd.api.types.is_numeric_dtype(s)
pd.Period('2026-01', 'M').month
pd.period_range('2026-01', periods=3, freq='M').size
pd.array([1, None]).size
pd.infer_freq(pd.date_range('2026-01-01', periods=5, freq='D')) == 'D'
s.compare(s).size
df.compare(df).size
df.axes[0].size
df.keys().size
df.get('close').sum()
df.__len__()
df.loc[:, 'close'].sum()
df.loc[df.index[-1], 'close']
df.join(df, rsuffix='_r').shape[1]
df.align(df)[0].shape[0]
df.infer_objects().shape[0]
df.convert_dtypes().shape[0]
df.nsmallest(1, 'close')['close'].iloc[0]
df.groupby('volume')['close'].pct_change().iloc[1]
df.groupby('volume')['close'].shift(1).iloc[1]
df.groupby('volume')['close'].ewm(span=3).mean().iloc[-1]
df.groupby('volume').agg(total=('close', 'sum')).iloc[0, 0]
df.groupby('volume').agg(total=pd.NamedAgg('close', 'sum')).iloc[0, 0]
df.groupby('volume').agg({'close': ['mean', lambda x: x.max()]}).iloc[0, 1]
df.groupby('volume').agg(np.mean).iloc[0, 0]
df.groupby(lambda i: i % 2).sum().shape[0]
df.groupby(pd.cut(df['close'], 3), observed=True)['close'].mean().iloc[0]
df.groupby('volume')['close'].nth(0).iloc[0]
df.groupby('volume').head(2).shape[0]
df.groupby('volume')['close'].describe().iloc[0, 0]
df.groupby('volume')['close'].quantile(0.5).iloc[0]
df.groupby('volume')['close'].cumsum().iloc[-1]
df.groupby('volume')['close'].diff().iloc[1]
df.groupby('volume')['close'].nunique().iloc[0]
df.groupby('volume').tail(1)['close'].iloc[0]
df.groupby('volume').pipe(lambda g: g['close'].sum()).iloc[0]
"""
