-- Arguments behind `--`: method, target, pipeline depth, then names and values of fields in turn.
-- Prints one line of JSON for load.ts.
local request_bytes

function init(args)
  local fields = {}
  for i = 4, #args, 2 do
    fields[args[i]] = args[i + 1]
  end
  local one = wrk.format(args[1], args[2], fields)
  request_bytes = one:rep(tonumber(args[3]))
end

function request()
  return request_bytes
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"micros":%d,"bytes":%d,"refused":%d,"broken":%d,"p50":%d,"p99":%d}',
    summary.requests, summary.duration, summary.bytes, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
