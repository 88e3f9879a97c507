"""``make bench-server``: our server beside five others and the machine's ceiling, in one run.

Same model, same photos, same form of request, wrk as the client. ``plan`` says which cells are measured and in which
order, ``photos`` makes what is sent, ``servers`` starts what it is sent to, ``turn`` measures one server in one round
with ``wrk`` and ``tree``; ``rows``, ``goals``, ``table`` and ``picture`` say what the rounds mean. ``gpu`` times the
network alone on a GPU, where there is one.
"""
