local love = love -- luacheck: globals love

-- WSCLOSE_HEADLESS=1: no window, no sound; the rest is LÖVE as it is.
function love.conf(t)
  t.window.title = "wsclose"
  if os.getenv "WSCLOSE_HEADLESS" then
    t.window = nil
    local unused = { "audio", "graphics", "joystick", "sound", "video", "window", "touch" }
    for _, name in ipairs(unused) do t.modules[name] = false end
  end
end
