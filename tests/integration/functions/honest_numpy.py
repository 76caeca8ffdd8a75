"""Expressions of numpy, one a line. Each gives inside what it gives outside, with the names of `_SETUP`."""

NUMPY = r"""
np.where(c > 5, c, 0).sum()
np.convolve(c, np.ones(3) / 3, mode='valid')[0]
np.cumsum(c)[-1]
np.linalg.lstsq(np.vstack([c, np.ones(60)]).T, c, rcond=None)[0][0]
np.linalg.solve(np.eye(2) * 2, np.array([1.0, 2.0]))[1]
np.polyfit(np.arange(60), c, 1)[0]
np.percentile(c, [25, 75])[1]
np.random.default_rng(42).normal(size=5)[0]
np.abs(np.fft.rfft(c))[1]
np.lib.stride_tricks.sliding_window_view(c, 5).mean(axis=1)[0]
np.maximum.accumulate(c)[-1]
np.add.reduce(c)
np.add.reduceat(c, [0, 10])[1]
np.add.outer(c, c).shape[0]
np.minimum.reduce([c, h])[3]
c[c > 30].mean()
(c[:, None] * c[None, :]).sum()
np.zeros(3, dtype=[('a', 'f8'), ('b', 'i4')])['a'].sum()
np.array([(1.0, 2)], dtype=[('p', float), ('q', int)])['q'][0]
np.einsum('i,i->', c, c)
np.nan_to_num(np.array([np.nan, 1.0])).sum()
np.diff(np.log(c)).std(ddof=1)
np.histogram(c, bins=10)[0].sum()
np.searchsorted(c, 30.5)
np.interp(2.5, [1, 2, 3], [10, 20, 30])
np.gradient(c)[0]
np.clip(c, 5, 10).sum()
np.select([c > 50, c > 20], [2, 1], default=0).sum()
np.digitize(c, [10, 20]).sum()
np.unique(np.array([1, 1, 2]), return_counts=True)[1][0]
np.apply_along_axis(np.mean, 0, np.ones((3, 3)))[0]
np.vectorize(lambda x: x * 2)(c).sum()
np.frompyfunc(lambda x: x + 1, 1, 1)(c).astype(float).sum()
np.roll(c, 1)[0]
np.argsort(-c)[0]
np.corrcoef(c, c * 2)[0, 1]
np.cov(c, c)[0, 1]
np.outer(c, c).trace()
np.linalg.eigh(np.eye(3))[0].sum()
np.linalg.eigh(np.eye(3)).eigenvalues.sum()
np.linalg.svd(np.eye(3))[1].sum()
np.linalg.norm(c)
np.linalg.det(np.eye(2) * 3)
np.random.seed(1) or np.random.rand()
np.random.RandomState(5).rand()
np.random.Generator(np.random.PCG64(3)).random()
np.random.default_rng(1).choice([1, 2, 3], size=2, replace=False).sum()
np.random.default_rng(3).integers(0, 10, 5).sum()
np.random.default_rng(3).standard_normal((2, 2)).sum()
np.random.default_rng(np.random.SeedSequence(3)).random()
np.ma.masked_invalid(np.array([1.0, np.nan])).mean()
np.ma.array([1, 2], mask=[0, 1]).sum()
np.tile(c, 2).size
np.repeat(c, 2).size
np.stack([c, h]).shape[0]
np.concatenate([c, h]).size
np.hstack([c, h]).size
np.r_[c, 1.0].size
np.c_[c, h].shape[1]
np.isnan(c).any()
np.all(c > 0)
np.count_nonzero(c > 5)
np.argmax(c)
np.nanmax(c)
np.quantile(c, 0.9)
np.median(c)
np.average(c, weights=v)
np.var(c)
c.mean() + c.std() + c.min() + c.max() + c.sum() + c.prod() * 0
c.reshape(6, 10).sum(axis=1)[0]
c.reshape(-1, 10).T.shape[0]
c.copy().astype(int).sum()
c.astype('float32').sum()
c.tolist()[0]
c.argsort()[::-1][0]
c.cumsum()[-1]
c.dot(c)
c @ c
c.flatten().size
c.ravel().size
c.size + c.ndim + c.shape[0] + c.nbytes + c.itemsize
c.dtype == np.float64
c.view().sum()
c.take([1, 2]).sum()
c.round(1)[0]
c.clip(3, 5)[0]
c.item(3)
c.flat[3]
c.nonzero()[0].size
c.any() + c.all()
c.searchsorted(5)
c.T.shape[0]
c.real[0]
c.copy().fill(2.0) is None
c.squeeze().size
np.nanpercentile(c, 50)
np.sign(-c)[0]
np.sqrt(c)[3]
np.exp(c / 100)[0]
np.log1p(c)[0]
np.mod(c, 7)[10]
np.floor(2.5) + np.ceil(2.5) + np.round(2.567, 2) + np.rint(2.5) + np.trunc(2.5)
np.isclose(0.1 + 0.2, 0.3)
np.allclose(c, c)
np.array_equal(c, c)
np.full(3, np.nan).size
np.full_like(c, np.nan).size
np.zeros_like(c).sum()
np.empty(3).size
np.linspace(0, 1, 5)[1]
np.arange(0, 1, 0.25).size
np.geomspace(1, 100, 3)[1]
np.meshgrid([1, 2], [3, 4])[0].sum()
np.triu(np.ones((3, 3))).sum()
np.indices((2, 2)).sum()
np.inf > 1
np.e + np.pi
np.newaxis is None
np.float64(3) + np.int64(4)
np.finfo(float).eps
np.finfo(np.float64).max > 0
np.iinfo(np.int32).max
np.timedelta64(1, 'D') / np.timedelta64(1, 'h')
np.datetime64('2026-01-02') > np.datetime64('2026-01-01')
c.astype('int64').view('datetime64[s]').astype('datetime64[D]').size
np.busday_count('2026-01-01', '2026-01-31')
np.correlate(c, c, 'full').max()
np.kron([1, 2], [1, 1]).sum()
np.polyval([1, 0], 3)
np.poly1d([1, 0, -1])(3)
np.roots([1, 0, -1]).sum()
np.polynomial.polynomial.polyfit(np.arange(60), c, 1)[1]
np.polynomial.Polynomial.fit(np.arange(60), c, 1)(3)
np.linalg.pinv(np.eye(2))[0, 0]
np.linalg.qr(np.eye(2))[0][0, 0] ** 2
np.linalg.cholesky(np.eye(2) * 4)[0, 0]
np.linalg.matrix_rank(np.eye(3))
np.linalg.cond(np.eye(3))
np.split(c, 3)[0].size
np.array_split(c, 7)[0].size
np.flip(c)[0]
np.fliplr(np.eye(2))[0, 0]
np.lexsort((c, h))[0]
np.partition(c, 5)[5]
np.argpartition(c, 5)[0]
np.bincount([1, 1, 2])[1]
np.nancumsum(c)[-1]
np.nanstd(c)
np.isin([1], [1, 2])[0]
np.setdiff1d([1, 2], [1])[0]
np.logical_and(c > 1, c < 5).sum()
np.logical_or.reduce([c > 5, c < 2]).sum()
np.bitwise_and(5, 3)
np.fmax(c, 3)[0]
np.hypot(3, 4)
np.heaviside(1.0, 0.5)
np.expand_dims(c, 0).shape[0]
np.moveaxis(np.ones((2, 3)), 0, 1).shape[0]
np.swapaxes(np.ones((2, 3)), 0, 1).shape[0]
np.broadcast_to(c, (2, 60)).sum()
np.broadcast_arrays(c, 1.0)[1].size
sum(x for _, x in np.ndenumerate(c[:3]))
np.ptp(c)
np.ascontiguousarray(c[::2]).size
np.column_stack([c, h]).shape[1]
np.insert(c, 0, 5.0)[0]
np.append(c, 1).size
np.delete(c, 0)[0]
np.trim_zeros([0, 1, 0])[0]
np.ediff1d(c)[0]
np.cross([1, 0, 0], [0, 1, 0])[2]
np.rot90(np.eye(2))[0, 0]
np.asarray([1, 2]).sum()
np.array([[1, 2], [3, 4]], dtype=float, order='F').sum()
np.float32(1) + np.float16(1) + np.int8(1) + np.uint8(1)
np.double(2)
np.intp(3)
np.bool_(1)
np.ufunc is not None
isinstance(np.add, np.ufunc)
np.copyto(c.copy(), 3.0) is None
np.put(c.copy(), [0], 9.0) or c[0]
np.fill_diagonal(np.zeros((2, 2)), 1) or 1
np.add.at(c.copy(), [0, 0], 1) is None
np.subtract.accumulate(c)[-1]
np.multiply.reduce([1, 2, 3])
np.add(c, 1, out=c.copy())[0]
np.divide(c, 0.0, out=np.zeros(60), where=c > 100).sum()
np.sum(c, axis=0, keepdims=True)[0]
np.random.normal(0, 1, 3).size
np.seterr(all='ignore') is not None
len(np.array2string(c))
len(np.array_str(c))
len(np.datetime_as_string(np.datetime64('2026-01-01')))
np.nan is np.nan
np.fft.fftfreq(60)[1]
np.fft.ifft(np.fft.fft(c)).real[0]
np.kaiser(5, 1)[0]
np.angle(1j)
np.unwrap([0, 1])[1]
np.block([[np.eye(2), np.eye(2)]]).shape[1]
np.piecewise(c, [c < 5, c >= 5], [0, lambda x: x]).sum()
np.random.permutation(5).sum()
np.iterable([1])
np.nanargmax(c)
np.cbrt(8.0)
np.isscalar(1)
np.ix_([0],[0])[0].size
np.tri(3).sum()
np.base_repr(5) == '101'
np.binary_repr(5) == '101'
np.format_float_positional(1.5) == '1.5'
np.result_type(float, int) == float
np.can_cast(int, float)
np.min_scalar_type(3) is not None
np.common_type(c) is not None
np.shares_memory(c, c)
np.may_share_memory(c, c)
np.ogrid[0:3].sum()
np.mgrid[0:2, 0:2].sum()
np.s_[1:2].start
np.lib.stride_tricks.as_strided(c, (3,), (8,)).sum()
"""
