"""``cupy.ndarray`` of the stand-in: what minivae uses of it, and CuPy's refusals. Everything goes through a stream."""

from types import SimpleNamespace

import numpy as np

from .device import allocate, current_stream, no_copy_while_recorded

SCALARS = (bool, int, float, np.generic)


class ndarray:
    """An array in device memory; ``host`` is the NumPy array that lies there, for the stand-in's own use."""

    __hash__ = None

    def __init__(self, memory, host):
        self.memory, self.host = memory, host

    shape = property(lambda self: self.host.shape)
    strides = property(lambda self: self.host.strides)
    dtype = property(lambda self: self.host.dtype)
    itemsize = property(lambda self: self.host.itemsize)
    nbytes = property(lambda self: self.host.nbytes)
    size = property(lambda self: self.host.size)
    ndim = property(lambda self: self.host.ndim)
    flags = property(lambda self: self.host.flags)
    data = property(lambda self: SimpleNamespace(ptr=self.host.__array_interface__["data"][0]))
    T = property(lambda self: ndarray(self.memory, self.host.T))

    def __len__(self):
        return len(self.host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    # -- from and to the host -------------------------------------------------------------------------------

    def get(self):
        no_copy_while_recorded()
        current_stream().synchronize()
        return np.array(self.host, order="C")

    def set(self, values):
        no_copy_while_recorded()
        if not isinstance(values, np.ndarray):
            raise TypeError(f"only numpy.ndarray can be set to cupy.ndarray, got {type(values)}")
        if values.shape != self.shape or values.dtype != self.dtype:
            raise ValueError(f"expected {self.dtype} {self.shape}, got {values.dtype} {values.shape}")
        copy(values.copy(), self)

    def item(self):
        return self.get().item()

    def __float__(self):
        return float(self.get())

    def __int__(self):
        return int(self.get())

    __index__ = __int__

    def __bool__(self):
        return bool(self.get())

    def __repr__(self):
        return repr(self.get())

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    # -- views and copies -----------------------------------------------------------------------------------

    def __getitem__(self, index):
        parts = index if isinstance(index, tuple) else (index,)
        if not all(part is None or part is Ellipsis or isinstance(part, int | np.integer | slice) for part in parts):
            raise NotImplementedError("the stand-in has no indexing by arrays")
        return ndarray(self.memory, self.host[index if Ellipsis in parts else (*parts, Ellipsis)])

    def __setitem__(self, index, value):
        if not isinstance(index, ndarray):
            return self[index].fill(value) if not isinstance(value, ndarray) else copy(value, self[index])
        if index.dtype != bool or not isinstance(value, SCALARS):
            raise NotImplementedError("the stand-in assigns only numbers by a mask")
        no_copy_while_recorded()  # CuPy counts the mask on the host
        target, mask = self.host, index.host
        send("assignment by a mask", lambda: target.__setitem__(mask, value), self, index)

    def fill(self, value):
        if not isinstance(value, SCALARS):
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        target = self.host
        send("fill", lambda: target.fill(value), self)

    def copy(self):
        return copy(self, empty(self.shape, self.dtype))

    def astype(self, dtype, copy=True):
        return self if not copy and self.dtype == dtype else _copy(self, empty(self.shape, dtype))

    def reshape(self, *shape):
        whole = self if self.flags.c_contiguous else self.copy()
        return ndarray(whole.memory, whole.host.reshape(*shape))

    def ravel(self):
        return self.reshape(-1)

    # -- arithmetic -----------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc, method, *operands, out=(None,)):
        if method != "__call__":
            raise NotImplementedError(f"the stand-in has no {ufunc.__name__}.{method}")
        return elementwise(ufunc, *operands, out=out[0])

    def __array_function__(self, function, types, arguments, options):
        if function.__name__ not in REDUCTIONS or arguments[0] is not self:
            raise NotImplementedError(f"the stand-in has no {function.__name__}")
        return getattr(self, function.__name__)(*arguments[1:], **options)

    def __matmul__(self, other):
        no_copy_while_recorded()  # CuPy's own cuBLAS refuses, too
        product = empty((*self.shape[:-1], *other.shape[1:]), np.result_type(self.dtype, other.dtype))
        a, b, target = self.host, other.host, product.host
        send("matmul", lambda: np.copyto(target, a @ b), self, other, product)
        return product


def send(name, run, *arrays):
    """Let the current stream do it. ``run`` must hold no device arrays: a graph remembers addresses only."""
    current_stream().submit(name, run, {array.memory for array in arrays})


def empty(shape, dtype=float):
    shape, dtype = tuple(np.atleast_1d(shape)) if shape != () else (), np.dtype(dtype)
    memory = allocate(int(np.prod(shape, dtype=int)) * dtype.itemsize)
    return ndarray(memory, memory.array(shape, dtype))


def copy(source, out):
    """Fill ``out`` with a device array, or with a NumPy array that nobody else has."""
    values, target = source.host if isinstance(source, ndarray) else source, out.host
    np.broadcast_to(values, target.shape)  # ValueError now, not later
    send("copy", lambda: np.copyto(target, values, casting="unsafe"), out, *[a for a in [source] if a is not values])
    return out


_copy = copy


def elementwise(ufunc, *operands, out=None):
    """A function of each element, as a kernel of CuPy's computes it."""
    for operand in operands:
        if not isinstance(operand, (ndarray, *SCALARS)):
            raise TypeError(f"Unsupported type {type(operand)}")
    arrays = [operand for operand in operands if isinstance(operand, ndarray)]
    values = [operand.host if isinstance(operand, ndarray) else operand for operand in operands]
    if out is None:
        kinds = [type(v) if type(v) in (int, float) else np.asarray(v).dtype for v in values]
        out = empty(np.broadcast_shapes(*map(np.shape, values)), ufunc.resolve_dtypes((*kinds, None))[-1])
    elif not np.can_cast(np.result_type(*values), out.dtype, "same_kind"):
        raise TypeError(f"cannot put {np.result_type(*values)} into {out.dtype}")
    target = out.host
    send(ufunc.__name__, lambda: ufunc(*values, out=target, casting="same_kind"), out, *arrays)
    return out


def _operator(ufunc, swapped=False, in_place=False):
    def method(self, other):
        operands = (other, self) if swapped else (self, other)
        return elementwise(ufunc, *operands, out=self if in_place else None)

    return method


for _name, _ufunc in {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.divide,
    "pow": np.power,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
}.items():
    setattr(ndarray, f"__{_name}__", _operator(_ufunc))
    setattr(ndarray, f"__r{_name}__", _operator(_ufunc, swapped=True))
    setattr(ndarray, f"__i{_name}__", _operator(_ufunc, in_place=True))
for _name, _ufunc in {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}.items():
    setattr(ndarray, f"__{_name}__", _operator(_ufunc))
ndarray.__neg__ = lambda self: elementwise(np.negative, self)
ndarray.__abs__ = lambda self: elementwise(np.absolute, self)
ndarray.__invert__ = lambda self: elementwise(np.invert, self)

REDUCTIONS = ("min", "max", "mean", "sum", "argmin", "any", "all")


def _reduction(name):
    def method(self, *arguments, **options):
        values = self.host
        pattern = np.asarray(getattr(np.ones(values.shape, values.dtype), name)(*arguments, **options))
        result = empty(pattern.shape, pattern.dtype)
        target = result.host
        send(name, lambda: np.copyto(target, getattr(values, name)(*arguments, **options)), self, result)
        return result

    return method


for _name in REDUCTIONS:
    setattr(ndarray, _name, _reduction(_name))
