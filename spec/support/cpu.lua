-- For `make suite WSC_CPU=avx2`: fails unless the build takes that path on this machine, so that no
-- path passes for tested that was not run.
local wanted = ...
local taken = require("wsclose.core_testing").cpu_path
if taken ~= wanted then
  io.stderr:write(("wsclose: WSC_CPU=%s, but on this machine that build takes the path %s\n")
    :format(wanted, taken))
  os.exit(1)
end
