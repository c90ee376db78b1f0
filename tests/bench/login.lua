-- wrk: one login for each line of the file LOGINS, and none twice. What was answered with okay is
-- counted; wrk counts the rest as well.
local file = io.open(os.getenv("LOGINS"))
okay, used_up = 0, false

function request()
    local body = file:read("l")
    if not body then
        used_up = true
        body = "assertion=none&audience=none"
    end
    return wrk.format("POST", "/verify", {["Content-Type"] = "application/x-www-form-urlencoded"}, body)
end

function response(status, headers, body)
    if body:find('"status":"okay"', 1, true) then okay = okay + 1 end
end

local me
function setup(thread) me = thread end

function done(summary)
    if me:get("used_up") then
        io.stderr:write("there were too few assertions\n")
        os.exit(1)
    end
    print("okay " .. me:get("okay") / (summary.duration / 1e6))
end
