-- What wrk asks for: the paths in the file that is its first argument, in
-- turn; all requests are written before the clock starts.  At the end, one
-- line of numbers for load.py.
local requests = {}
local at = 0

function init(args)
	for path in io.lines(args[1]) do
		requests[#requests + 1] = wrk.format("GET", path)
	end
end

function request()
	at = at % #requests + 1
	return requests[at]
end

function done(summary, latency, _)
	local e = summary.errors
	io.write(string.format("counted %d %d %d %d\n", summary.requests,
	    summary.duration, latency:percentile(99.0),
	    e.connect + e.read + e.write + e.status + e.timeout))
end
