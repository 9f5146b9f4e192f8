-- What the row `windows` leaves out of the suite's folders: the file, the title where it is not
-- all of it (a pattern of Lua), and why.  The table of docs/hosts/windows.md says the same.
local strace = "watches system calls with strace; waits_spec.lua counts waits instead"
local process = "starts an interpreter by the shell"
local fork = "there is no fork"
local pollfd = "there is no descriptor for a foreign loop"
local unix = "LuaSocket has no unix sockets there"
local proc = "reads /proc"
local reset = "wine may tell a reset as an end"
local words = "quotes Linux, its numbers and words"
local separator = "looks for a file's name with /"
local environment = "names of variables have no case there"

return {
  { "spec/net/blocking_spec.lua", nil, strace },
  { "spec/lua/turn_spec.lua", "leaves in one write at the end of the turn", strace },
  { "spec/net/loop_spec.lua", "what a message costs over a loop", strace },
  { "spec/net/loop_spec.lua", "where the kernel has no", strace },
  { "spec/net/transfer_spec.lua", "the kernel's answer to a call", strace },
  { "spec/net/transfer_spec.lua", "does not try to write before there is room", strace },
  { "spec/net/tls/context_spec.lua", nil, "watches with strace and /proc which files are read" },
  { "spec/net/tls/key_update_spec.lua", nil, "thousands of answers, each acknowledged at once" },
  { "spec/lua/held_spec.lua", nil, process },
  { "spec/lua/log_spec.lua", "the lines of a program with", process },
  { "spec/lua/hosted_spec.lua", "loads where an unknown global raises", process },
  { "spec/lua/many_spec.lua", "is there for each of several Lua states", process },
  { "spec/lua/memory_spec.lua", "gives the block that it reads into back", process },
  { "spec/net/unload_spec.lua", nil, process },
  { "spec/net/faults_spec.lua", nil, process },
  { "spec/lua/client_callbacks_spec.lua", "is open when its Lua state ends", process },
  { "spec/net/tls/verify_spec.lua", "where the system's settings ask for", process },
  { "spec/net/fork_spec.lua", nil, fork },
  { "spec/lua/many_spec.lua", "after a fork", fork },
  { "spec/net/system/random_spec.lua", nil, fork },
  { "spec/net/wait_spec.lua", nil, "interrupts waits with signals" },
  { "spec/lua/many_spec.lua", "polled by a foreign loop", pollfd },
  { "spec/lua/many_spec.lua", "for a foreign loop", pollfd },
  { "spec/lua/many_spec.lua", "touches that one, and no other", "each wait looks at all sockets" },
  { "spec/lua/client_spec.lua", "a foreign event loop polls one descriptor", pollfd },
  { "spec/net/loop_spec.lua", "shares a client with other loops", pollfd },
  { "spec/net/transfer_spec.lua", "a pause leaves bytes in the kernel", pollfd },
  { "spec/net/system/pollset_spec.lua", nil, pollfd },
  { "spec/net/transfer_spec.lua", "comes with one update within max_time", unix },
  { "spec/net/given_socket_spec.lua", nil, unix },
  { "spec/net/system/socket_spec.lua", nil, proc },
  { "spec/net/system/poll_spec.lua", nil, proc },
  { "spec/net/reach/resolve_spec.lua", nil, proc },
  { "spec/lua/memory_spec.lua", "holds no buffer as a client either", "counts what poll needs" },
  { "spec/net/transfer_spec.lua", "an RST without a Close", reset },
  { "spec/net/tls/tls_spec.lua", "resets TCP: 1015", reset },
  { "spec/net/tls/tls_spec.lua", "that ends with a reset", reset },
  { "spec/net/reach/dial_spec.lua", "connection attempts that fail later",
    "a shutdown breaks off no attempt there" },
  { "spec/net/loop_spec.lua", "gives out one that tries several addresses",
    "a shutdown breaks off no attempt there" },
  { "spec/net/reach/dial_spec.lua", "addresses are tried in turns",
    "an IPv6 socket reaches no IPv4 address there" },
  { "spec/net/reach/name_spec.lua", "names the interface to dial by", "an interface named lo" },
  { "spec/net/system/address_spec.lua", "fe80::1%%lo", "an interface named lo" },
  { "spec/lua/log_spec.lua", "say once that WSCLOSE_LOG is wrong", process },
  { "spec/net/proxy/proxy_spec.lua", "an HTTP proxy that resets TCP", reset },
  { "spec/lua/pieces_spec.lua", "less than three times what the program holds", process },
  { "spec/net/system/fault_spec.lua", "failed connect, EHOSTDOWN", words },
  { "spec/net/system/fault_spec.lua", "failed transfer, ECONNREFUSED", words },
  { "spec/net/system/fault_spec.lua", "a number that the system does not know", words },
  { "spec/testing/parity_spec.lua", "as the real one: a reset", reset },
  { "spec/testing/testing_spec.lua", "raises where it would wait for ever", separator },
  { "spec/testing/testing_spec.lua", "did not happen within the seconds", separator },
  { "spec/net/proxy/proxy_spec.lua", "the environment HTTP_PROXY=http://a", environment },
  { "spec/net/proxy/proxy_spec.lua", "HTTPS_PROXY=http://b;https_proxy=", environment },
  { "spec/net/proxy/proxy_spec.lua", "HTTP_PROXY=http://evil", environment },
}
