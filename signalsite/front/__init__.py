"""What stands before Django: it meets every HTTP connection on the event loop, and lets nobody hold a thread.

`protocol` bounds connections and headers, `gate` decides who may send a body and receives it, `pages` runs Django on
threads that never wait for a client.
"""
