"""Objects as bytes and buffers, and back.

```
packing      what is called to pack and to unpack
reducing     how objects of some types are pickled, where pickle's own way would not do
arrays       numpy's arrays as buffers
variables    context variables as what both sides know them by
modules      which modules the other side finds by their names
by_value     what pickle refuses, pickled by what it is made of
failure      an exception with its traceback
refusing     what to raise about an object that cannot travel
```
"""
