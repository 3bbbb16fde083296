-- What wrk measured, as one JSON object on the last line; its own times are in microseconds.
function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '\n{"operations": %d, "seconds": %.6f, "p50": %.1f, "p99": %.1f, "p99.9": %.1f, "errors": %d}\n',
      summary.requests, summary.duration / 1e6,
      latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
      errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
