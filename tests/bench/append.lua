-- wrk: one object of 500 bytes for a random user of USERS, who has seen everything: no append ever
-- conflicts with another.
local users = tonumber(os.getenv("USERS") or "10000")
local body = '[{"id":"x","data":"' .. string.rep("x", 476) .. '"}]'

function setup(thread)
    thread:set("seed", math.random(1000000))
end

function init()
    math.randomseed(seed or os.time())
end

function request()
    local user = "u" .. math.random(users) .. "@example.org"
    return wrk.format("POST", "/app.example/" .. user .. "/notes?since=9007199254740991",
        {["X-User"] = user .. "/app.example"}, body)
end

