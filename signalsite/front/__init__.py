"""The HTTP front: it handles connections on the event loop before Django does, so that no client occupies a thread.

`protocol` limits connections and headers. `cors` adds CORS headers. `gate` decides who may send a body and receives it.
`live` answers live reads. `pages` runs Django on threads that never wait for a client.
"""
