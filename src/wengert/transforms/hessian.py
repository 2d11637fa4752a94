"""hessian and hvp: second derivatives, forward over reverse."""

from collections.abc import Callable
from typing import Any

from wengert.core import tree
from wengert.core.errors import at_the_edge, name_of
from wengert.transforms.forward import jvp
from wengert.transforms.grad import Argnums, grad
from wengert.transforms.jacobian import jacfwd
from wengert.transforms.leaves import like_leaves
from wengert.transforms.naming import fastest, named_after


def hessian(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    chunk: int | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The function that returns the Hessian of `f`: every second partial derivative.

    Args:
        f: a function of arrays, or nested containers of them, that returns one number.
        argnums: which arguments to differentiate by: a position, or a tuple of them.
        chunk: how many columns to compute at a time; None for all at once. Memory
            grows with it, time falls.
        has_aux: whether `f` returns `(result, aux)`; the function then returns
            `(hessian, aux)`.
        holomorphic: whether `f` is a holomorphic function of complex arguments; the
            Hessian is then f″(z).

    Returns:
        A function of the arguments of `f`. For an array it returns an array of shape
        `x.shape + x.shape`; for a container, in the place of each array a container of
        the same structure: `H["a"]["b"]` is ∂²f/∂a∂b, of shape `a.shape + b.shape`.

    Raises:
        DerivativeError: if the result isn't one number, or for complex arguments
            without `holomorphic`.
        TypeMismatch: for an argument that isn't a float or complex array.

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]))
    array([[10.,  6.],
           [ 6.,  0.]])

    Source: Griewank & Walther, Evaluating Derivatives, 2nd ed. (2008), section 5.1.
    """
    gradient = grad(f, argnums, has_aux=has_aux, holomorphic=holomorphic)
    columns = jacfwd(
        gradient, argnums, chunk=chunk, has_aux=has_aux, holomorphic=holomorphic
    )

    @named_after(
        f, "hessian", f"The Hessian of {name_of(f)}.", argnums=argnums, chunk=chunk,
        has_aux=has_aux, holomorphic=holomorphic,
    )  # fmt: skip
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return columns(*args, **kwargs)

    return wrapped


def hvp(f: Callable[..., Any], primals: Any, tangents: Any) -> Any:
    """The Hessian of `f` times a vector, at a small multiple of the gradient's cost.

    Args:
        f: a function of arrays, or nested containers of them, that returns one number.
        primals: its arguments as a tuple; anything else is its only argument.
        tangents: the vector, in the structure and shapes of `primals`.

    Returns:
        H·v in the structure, shapes and dtypes of `primals`.

    Raises:
        DerivativeError: if the result isn't one number.
        TypeMismatch: for a primal that isn't a float or complex array.
        ShapeMismatch: for tangents that don't match the primals.

    >>> hvp(lambda x: x[0] ** 2 * x[1], np.array([3.0, 5.0]), np.array([1.0, 0.0]))
    array([10.,  6.])

    Source: Pearlmutter, Fast exact multiplication by the Hessian (1994).
    """

    def product(primals: Any, tangents: Any) -> Any:
        return _hvp(f, primals, tangents)

    return fastest(product, "hvp", f)(primals, tangents)


def _hvp(f: Callable[..., Any], primals: Any, tangents: Any) -> Any:
    with at_the_edge():
        several = isinstance(primals, tuple)
        xs = primals if several else (primals,)
        vs = tangents if several else (tangents,)
        gradient = grad(f, argnums=tuple(range(len(xs))))
        products, spec = tree.flatten(jvp(gradient, xs, vs)[1])
        result = tree.unflatten(spec, like_leaves(products, tree.flatten(xs)[0]))
        return result if several else result[0]
