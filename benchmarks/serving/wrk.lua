-- Posts the multipart bodies that are named after `--`, in turn, and prints what came of it as JSON, on the last line.
-- Run with one thread: there is one state that sends, and one that prints.

local threads = {}

function setup(thread)
    threads[#threads + 1] = thread
end

function init(args)
    bodies, sent, other = {}, 0, 0
    for index = 1, #args do
        local file = assert(io.open(args[index], "rb"))
        local body = file:read("*a")
        file:close()
        local boundary = assert(body:match("^%-%-([^\r\n]+)"), "no multipart body: " .. args[index])
        local headers = { ["Content-Type"] = "multipart/form-data; boundary=" .. boundary }
        bodies[index] = wrk.format("POST", nil, headers, body)
    end
    assert(#bodies > 0, "no bodies are named")
end

function request()
    sent = sent + 1
    return bodies[(sent - 1) % #bodies + 1]
end

function response(status)
    if status ~= 200 then
        other = other + 1
    end
end

function done(summary, latency)
    local errors = summary.errors
    local form = '{"answered": %d, "other_status": %d, "sent": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d, '
        .. '"microseconds": %d, "p50_us": %.0f, "p95_us": %.0f, "p99_us": %.0f}\n'
    io.write("\n", form:format(
        summary.requests, threads[1]:get("other"), threads[1]:get("sent"),
        errors.connect, errors.read, errors.write, errors.timeout, summary.duration,
        latency:percentile(50), latency:percentile(95), latency:percentile(99)
    ))
end
