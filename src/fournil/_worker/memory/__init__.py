"""Memory that both sides of a pool see.

```
segments    who lends it, who borrows it, when it is free again
places      what is packed, put into it
shares      which memory of this process is shared, found by its address
mapping     a file's memory, mapped without a descriptor
room        whether there is memory for what is big
```
"""
