"""Attacks through numpy and pandas."""

from tests.integration.functions.attacks import body

LIBRARIES = {
    # numpy and pandas
    **{
        f"numpy_{name}": body(f"return 666 if np.{name} else 0")
        for name in (
            "load",
            "save",
            "savez",
            "savetxt",
            "loadtxt",
            "genfromtxt",
            "fromfile",
            "memmap",
            "DataSource",
            "ctypeslib",
            "f2py",
            "testing",
            "lib.npyio",
            "lib.format",
            "fromregex",
            "show_config",
            "seterrcall",
            "core",
            "_core",
            "char.sys",
            "rec",
            "random.bit_generator",
            "random.mtrand",
            "distutils",
            "__builtins__",
            "__config__",
            "get_include",
            "setbufsize",
            "nditer",
            "test",
            "matrix",
            "linalg._umath_linalg",
            "fft._pocketfft",
            "polynomial.polyutils",
            "info",
            "source",
            "lookfor",
            "load_library",
            "savez_compressed",
        )
    },
    **{
        f"array_{name}": body(f"return 666 if data['close'].{name} is not None else 0")
        for name in (
            "tofile",
            "dump",
            "dumps",
            "ctypes",
            "setflags",
            "__array_interface__",
            "__array_struct__",
            "resize",
            "__reduce__",
            "__setstate__",
            "newbyteorder",
        )
    },
    "array_strides_set": body("a = data['close']\na.strides = (8000000,)\nreturn 666"),
    "array_dtype_set": body("a = data['close']\na.dtype = object\nreturn 666"),
    "array_as_objects": body("return 666 if data['close'].view(object)[0] else 0"),
    "objects_of_a_buffer": body("return 666 if np.ndarray((1,), dtype=object, buffer=b'\\x41' * 8)[0] else 0"),
    "objects_frombuffer": body("return 666 if np.frombuffer(b'\\x41' * 8, dtype=object)[0] else 0"),
    "objects_overlapping": body(
        "d = np.dtype({'names': ['a', 'b'], 'formats': ['O', 'i8'], 'offsets': [0, 0]})\na = np.zeros(1, d)\na['b'] = 4096\nreturn 666 if a['a'][0] else 0"
    ),
    "strides_of_a_buffer": body(
        "return 666 if np.ndarray((10,), buffer=b'x' * 8, strides=(4096,), dtype='u1')[9] else 0"
    ),
    "bit_generator": body("return 666 if np.random.default_rng(1).bit_generator else 0"),
    **{
        f"frame_{name}": body(f"return 666 if pd.DataFrame(data).{name} else 0")
        for name in (
            "eval",
            "query",
            "to_csv",
            "to_pickle",
            "to_sql",
            "to_json",
            "to_parquet",
            "to_hdf",
            "to_excel",
            "to_clipboard",
            "plot",
            "hist",
            "style",
            "_mgr",
            "__class__",
            "to_string",
            "to_html",
            "to_stata",
            "boxplot",
            "to_xarray",
            "to_feather",
            "to_latex",
        )
    },
    **{
        f"pandas_{name}": body(f"return 666 if pd.{name} else 0")
        for name in (
            "eval",
            "read_csv",
            "read_pickle",
            "read_sql",
            "read_json",
            "io",
            "core",
            "util",
            "compat",
            "HDFStore",
            "ExcelFile",
            "_testing",
            "api.extensions",
            "api.interchange",
            "options._x",
            "tseries.frequencies",
            "show_versions",
            "test",
            "plotting",
            "pandas",
            "_libs",
        )
    },
    "numpy_save_by_name": body("return 666 if pd.Series([1.0]).agg('save', file='x') is None else 0"),
    "numpy_module_by_name": body("return 666 if pd.Series([1.0]).agg('ctypeslib') else 0"),
    "names_in_an_array": body("return 666 if pd.DataFrame(data).agg(np.array(['to_csv'])) is not None else 0"),
    "names_in_a_series": body(
        "return 666 if pd.DataFrame(data).agg(pd.Series(['to_csv'], index=['open'])) is not None else 0"
    ),
    "names_in_an_index": body("return 666 if pd.DataFrame(data).agg(pd.Index(['to_csv'])) is not None else 0"),
    "names_in_a_generator": body("return 666 if pd.DataFrame(data).agg(x for x in ['to_csv']) is not None else 0"),
    "names_of_an_object": "class L:\n    def __iter__(self):\n        yield 'to_csv'\n    def __call__(self, x): return 1\n"
    + body("return 666 if pd.DataFrame(data).agg(L()) is not None else 0"),
    "names_of_a_changing_tuple": "class T(tuple):\n    n = 0\n    def __iter__(self):\n        T.n += 1\n"
    "        return iter(('max',) if T.n < 2 else ('to_csv',))\n"
    + body("return 666 if pd.DataFrame(data).agg(T(('max',))) is not None else 0"),
    "names_of_a_number": "class I(int):\n    def __iter__(self):\n        yield 'to_csv'\n"
    + body("return 666 if pd.DataFrame(data).agg(I(1)) is not None else 0"),
    "names_in_a_deque": "from collections import deque\n"
    + body("return 666 if pd.DataFrame(data).agg(deque(['to_csv'])) is not None else 0"),
    "numpy_text_format": body("return 666 if np.str_.format('{0.__class__}', 1) else 0"),
    "numpy_text_format_bound": body("return 666 if np.str_('{0.__class__}').format(1) else 0"),
    "frame_eval_by_name": body("return 666 if pd.DataFrame(data).apply('eval', expr='1') is not None else 0"),
    "frame_csv_by_name": body("return 666 if pd.DataFrame(data).agg('to_csv') else 0"),
    "series_pickle_by_name": body(
        "return 666 if pd.Series(data['close']).agg('to_pickle', path='/tmp/x') is None else 0"
    ),
    "series_private_by_name": body("return 666 if pd.Series(data['close']).agg('__dir__') else 0"),
    "groups_by_name": body(
        "return 666 if pd.DataFrame(data).groupby('open').agg({'close': 'to_csv'}) is not None else 0"
    ),
    "pivot_by_name": body(
        "return 666 if pd.pivot_table(pd.DataFrame(data), index='open', aggfunc='to_csv') is not None else 0"
    ),
    "pipe_by_name": body("return 666 if pd.Series([1.0]).pipe('to_csv') else 0"),
    "query_frames": body(
        "x = 1\nreturn 666 if getattr(pd.DataFrame(data), 'que' + 'ry')('@x == 1') is not None else 0"
    ),
    "getattr_to_csv": body("return 666 if getattr(pd.DataFrame(data), 'to_' + 'csv') else 0"),
    "pattern_to_csv": body("match pd.DataFrame(data):\n    case object(to_csv=f):\n        return 666"),
    "vectorized_pretender": body("return 666 if np.frompyfunc(getattr, 2, 1)(1, '__class__') else 0"),
}
