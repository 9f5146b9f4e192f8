--- A message of 2 KiB of JSON, compressed, of a feed that receive takes.
local play = require "scripts.play"

local SIZE = 2048
local pairs_traded = { "BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "ADA-USD" }

-- Park and Miller's generator: the same numbers in each run.
local state = 1
local function draw(limit)
  state = state * 16807 % 2147483647
  return state % limit
end

local function record()
  return ('{"pair":"%s","side":"%s","price":"%d.%02d","size":"0.%08d","order":"%08x"}'):format(
    pairs_traded[draw(5) + 1], draw(2) == 0 and "buy" or "sell", draw(90000) + 1000, draw(100),
    draw(100000000), draw(2147483647))
end

local function feed(number)
  local text = ('{"seq":%d,"trades":[%s'):format(number, record())
  repeat
    local longer = text .. "," .. record()
    if #longer + 2 > SIZE then break end
    text = longer
  until false
  return text .. "]" .. (" "):rep(SIZE - #text - 2) .. "}"
end

local messages = {}
for i = 1, 256 do messages[i] = feed(i) end

play.serve(messages, true)
local ws = play.connect(true)
assert(ws:info().extensions["permessage-deflate"], "not compressed")
assert(ws:send "go")
for i = 0, play.count - 1 do
  if ws:receive() ~= messages[i % 256 + 1] then error "another message came" end
end
play.finish()
