--- What a program in any host does, told line by line; support/hosts.lua is the other side of it.
--
--     scenario(new, say, options)
--
-- `new(url, options)` makes a client that the host drives from then on; `say(line)` prints.
-- `options` come on top: where the host trusts authorities in a way of its own, { tls = false }.

local URL, CA = os.getenv "WSCLOSE_URL", os.getenv "WSCLOSE_CA"

local function how(info)
  local words = { "by " .. info.by, info.clean and "clean" or "not clean" }
  words[3] = info.retry_in and "retried" or "not retried"
  return table.concat(words, ", ")
end

return function(new, say, more)
  more = more or {}

  local function client(id, options)
    options.resolve = { ["feed.example"] = "127.0.0.1" }
    if more.tls ~= false then options.tls = { ca_file = CA } end
    for name, value in pairs(more.options or {}) do options[name] = value end
    return assert(new(URL .. "?id=" .. id, options))
  end

  local function stay()
    client("last", {
      on_open = function() say "STAYS" end,
      on_close = function(_, _, _, info) say("LAST " .. tostring(info)) end,
    })
  end

  local function mandatory(feed)
    local opened = "never opened"
    client("mandatory", {
      retry = true,
      extensions = { ["permessage-deflate"] = { required = true } },
      on_open = function() opened = "opened" end,
      on_close = function(_, code, reason, info)
        local retried = info.retry_in and "retried" or "not retried"
        say(("MANDATORY %d %s %s, %s"):format(code, reason, opened, retried))
        feed:close(1000, "done")
      end,
    })
  end

  local opens = 0
  client("feed", {
    retry = { initial = 0.05, floor = 0, first = false },
    on_open = function(ws)
      opens = opens + 1
      say(("OPEN %d"):format(opens))
      ws:send(opens == 1 and "one" or "two")
    end,
    on_message = function(ws, data)
      say("ECHO " .. data)
      if data == "two" then mandatory(ws) end
    end,
    on_close = function(_, code, reason, info)
      say(("CLOSE %d %s %s %s"):format(code, info.name, reason, how(info)))
      if code == 1000 then stay() end
    end,
  })
end
