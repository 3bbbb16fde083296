"""A C extension that keeps the GIL while it computes."""

import asyncio
import importlib.util
import pathlib
import subprocess
import sysconfig
import tempfile

SOURCE = """
#include <Python.h>
static PyObject *crunch(PyObject *self, PyObject *arg) {
    unsigned long n = PyLong_AsUnsignedLong(arg); volatile unsigned long s = 1;
    while (n--) s = s * 31 + n;
    return PyLong_FromUnsignedLong(s);
}
static PyMethodDef methods[] = {{"crunch", crunch, METH_O, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fast", 0, -1, methods};
PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&module); }
"""

with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, "fast.so")
    include = "-I" + sysconfig.get_path("include")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", include, "-xc", "-", "-o", path], input=SOURCE.encode(), check=True)
    spec = importlib.util.spec_from_file_location("fast", path)
    fast = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fast)


async def simulate(size):
    await asyncio.sleep(0)
    return fast.crunch(size)  # blocks: native-gil


async def main():
    print(await asyncio.gather(simulate(400_000_000), asyncio.sleep(0)))


asyncio.run(main())
