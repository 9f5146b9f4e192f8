-- No window, no sound: LÖVE as it is otherwise.
local love = love -- luacheck: globals love

function love.conf(t)
  t.window = nil
  for _, name in ipairs { "audio", "graphics", "joystick", "sound", "video", "window", "touch" } do
    t.modules[name] = false
  end
end
