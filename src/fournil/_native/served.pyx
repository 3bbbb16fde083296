"""What a step serves: the handler that a framework calls for a request, and the route.

A framework may work for a request before and after it calls the handler: no frame of the handler's
is on the stack while the answer is turned into JSON. But frames of the framework's hold it, under
names that frameworks share: in a variable, in the ASGI scope, as an attribute of a request or of a
route. Nothing else of what they hold is written down, and no code of the program runs.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

from fournil._native.names cimport callable_inside, field, own_value, plain
from fournil._native.sys.frame_locals cimport (
    PyCodeObject,
    PyThreadState,
    StackFrame,
    frame_caller,
    frame_code,
    frame_innermost,
    frame_name,
    frame_value,
    frame_variables,
)

cdef extern from "Python.h":
    int PyFunction_Check(PyObject *)
    PyObject *PyFunction_GET_CODE(PyObject *)
    int PyDict_CheckExact(object)
    int PyDict_Next(object, Py_ssize_t *, PyObject **, PyObject **)

cdef enum:
    MOST_FRAMES = 200
    MOST_HANDLERS = 16
    MOST_ENTRIES = 100                  # of a dictionary that are looked at
    MOST_WRAPPERS = 8                   # of one function, each with the next in `__wrapped__`

# Variables of frameworks that hold the handler, or what has it.
cdef frozenset VARIABLES = frozenset({
    "callback", "dependant", "endpoint", "func", "handler", "request", "route", "route_handler",
    "scope", "view_func",
})
# What has the handler, as an attribute or in the ASGI scope.
cdef tuple HANDLERS = ("endpoint", "call", "_handler", "handler", "fn", "view_func")
cdef tuple METHODS = ("method", "_method")


cdef str what_is_served(void *state):
    """Return what the step of a thread serves, as lines of a stack's text; "": it is not known.

    Args:
        state: of a thread that waits for the GIL, which the caller has.
    """
    cdef StackFrame *frame = frame_innermost(<PyThreadState *> state)
    cdef PyCodeObject *code
    cdef PyObject *new
    cdef int number
    cdef int _frames
    cdef list handlers = []
    cdef str route = ""
    for _frames in range(MOST_FRAMES):
        if frame == NULL:
            break
        code = frame_code(frame)
        for number in range(frame_variables(code) if code != NULL else 0):
            name = <object> frame_name(code, number)
            if name not in VARIABLES:
                continue
            new = frame_value(frame, number)
            if new == NULL:
                continue
            value = <object> new
            Py_DECREF(value)
            add_handlers(handlers, value)
            route = route or route_of(value)
        frame = frame_caller(frame)
    lines = [f"\x1f0\x1f{cleaned(route)}"] if route else []
    lines += list(dict.fromkeys(handlers))[:MOST_HANDLERS]
    return "".join([f"{line}\n" for line in lines])


cdef object part(object owner, str name):
    """Return an entry of a plain dictionary, or an attribute that no code answers for; or None."""
    if owner is None:
        return None
    if PyDict_CheckExact(owner):
        return entry_of(owner, name)
    found_there = own_value(owner, name)
    return field(owner, name) if found_there is None else found_there


cdef object entry_of(object owner, str name):
    """Return an entry of a plain dictionary, or None; other keys are not asked what they equal."""
    cdef PyObject *key
    cdef PyObject *value
    cdef Py_ssize_t position = 0
    cdef int _entries
    for _entries in range(MOST_ENTRIES):
        if not PyDict_Next(owner, &position, &key, &value):
            break
        if type(<object> key) is str and <object> key == name:
            return <object> value
    return None


cdef int add_handlers(list handlers, object value) except -1:
    """Add the functions that a value is or has, from the outermost decorator inwards."""
    if add_function(handlers, value):
        return 0
    scope = part(value, "scope")
    for owner in (value, part(value, "dependant"), scope if PyDict_CheckExact(scope) else None):
        for name in HANDLERS:
            add_function(handlers, part(owner, name))
    # aiohttp's requests.
    add_function(handlers, part(part(part(value, "_match_info"), "_route"), "_handler"))
    return 0


cdef bint add_function(list handlers, object value) except -1:
    """Add a function, if a value is one, and those that it wraps; return whether it was."""
    cdef int _depth
    value = callable_inside(value)
    if not PyFunction_Check(<PyObject *> value):
        return False
    for _depth in range(MOST_WRAPPERS):
        code = <object> PyFunction_GET_CODE(<PyObject *> value)
        file, function = cleaned(plain(code.co_filename)), cleaned(plain(code.co_qualname))
        handlers.append(f"{file}\x1f{code.co_firstlineno}\x1f{function}")
        value = callable_inside(own_value(value, "__wrapped__"))
        if not PyFunction_Check(<PyObject *> value):
            break
    return True


cdef str route_of(object value):
    """Return the route of a request as `GET /bread/{kind}`; "": the value tells none."""
    scope = part(value, "scope")
    scope = scope if PyDict_CheckExact(scope) else value
    aiohttp = part(part(part(value, "_match_info"), "_route"), "_resource")
    paths = (
        part(scope, "path_template"),  # Litestar
        part(part(scope, "route"), "path"),  # Starlette, FastAPI, Sanic
        part(aiohttp, "_path"), part(aiohttp, "_formatter"),
        part(part(value, "url_rule"), "rule"),  # Quart
        part(part(value, "resolver_match"), "route"),  # Django
    )
    for path in paths:
        if type(path) is str and path:
            break
    else:
        return ""
    if path[0] not in "/^":  # Sanic and Django leave the first slash out, and patterns have theirs
        path = f"/{path}"
    for name in METHODS:
        method = part(scope, name)
        if type(method) is str:
            return f"{method} {path}"
    return path


cdef str cleaned(str text):
    """Return a text without what would end a field, or a line."""
    return text if text.isprintable() else "".join([c if c >= " " else "?" for c in text])
