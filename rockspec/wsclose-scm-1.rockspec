rockspec_format = "3.0"
package = "wsclose"
version = "scm-1"

local repository = "https://github.com/wsclose/wsclose" -- written by `make address`

source = { url = "git+" .. repository .. ".git" }

description = {
  summary = "A WebSocket client that always knows why a connection closed and what to do next",
  detailed = [[
A WebSocket client in C for Lua 5.1 to 5.5 and LuaJIT: RFC 6455, permessage-deflate, TLS, proxies.
Nothing blocks but what says it blocks.  Every connection ends in one on_close with a code, a reason
and its cause; 1001 reconnects by itself, 1010 names the extension that the server lacks.]],
  license = "MIT",
  homepage = repository,
  issues_url = repository .. "/issues",
  maintainer = "The wsclose maintainers",
  labels = { "websocket", "network", "async", "tls" },
}

supported_platforms = { "linux", "macosx", "bsd", "windows" }

dependencies = { "lua >= 5.1, < 5.6" }

external_dependencies = {
  OPENSSL = { header = "openssl/ssl.h" },
  ZLIB = { header = "zlib.h" },
}

-- What every system compiles, and with it what stands for one.
local sources = {
  "src/binding/lua_box.c",
  "src/binding/lua_client.c",
  "src/binding/lua_conn.c",
  "src/binding/lua_loop.c",
  "src/binding/lua_module.c",
  "src/binding/lua_options.c",
  "src/binding/lua_protocol.c",
  "src/binding/lua_push.c",
  "src/binding/lua_taken.c",
  "src/binding/lua_tunnel.c",
  "src/core/buf.c",
  "src/core/codes.c",
  "src/core/conn.c",
  "src/core/conn_close.c",
  "src/core/conn_input.c",
  "src/core/conn_open.c",
  "src/core/conn_tick.c",
  "src/core/deflate.c",
  "src/core/extension.c",
  "src/core/extension_answer.c",
  "src/core/extension_check_answer.c",
  "src/core/extension_check_offer.c",
  "src/core/extension_parameters.c",
  "src/core/frame.c",
  "src/core/handshake.c",
  "src/core/handshake_answer.c",
  "src/core/handshake_request.c",
  "src/core/http.c",
  "src/core/ip.c",
  "src/core/mask.c",
  "src/core/message.c",
  "src/core/proxy.c",
  "src/core/proxy_except.c",
  "src/core/send_queue.c",
  "src/core/tunnel.c",
  "src/core/tunnel_http.c",
  "src/core/tunnel_socks5.c",
  "src/core/uri.c",
  "src/core/utf8.c",
  "src/core/utf8_range.c",
  "src/net/alarms.c",
  "src/net/client.c",
  "src/net/loop.c",
  "src/net/loop_wait.c",
  "src/net/proxy/env.c",
  "src/net/proxy/tunnel_stream.c",
  "src/net/reach/addrinfo.c",
  "src/net/reach/dial.c",
  "src/net/reach/name.c",
  "src/net/reach/resolve.c",
  "src/net/reach/setup.c",
  "src/net/reach/setup_stage.c",
  "src/net/stream.c",
  "src/net/system/address.c",
  "src/net/system/fault.c",
  "src/net/system/pollfd.c",
  "src/net/tls/bio.c",
  "src/net/tls/context.c",
  "src/net/tls/load.c",
  "src/net/tls/pace.c",
  "src/net/tls/session.c",
  "src/net/tls/tls.c",
  "src/net/tls/tls_fault.c",
  "src/net/tls/verify.c",
  "src/net/transfer.c",
  "src/net/turn.c",
}

local function sources_with(others)
  local all = {}
  for i = 1, #sources do all[i] = sources[i] end
  for i = 1, #others do all[#all + 1] = others[i] end
  return all
end

build = {
  type = "builtin",
  modules = {
    ["wsclose.attempt"] = "lua/wsclose/attempt.lua",
    ["wsclose.carried"] = "lua/wsclose/carried.lua",
    ["wsclose.checks"] = "lua/wsclose/checks.lua",
    ["wsclose.client"] = "lua/wsclose/client.lua",
    ["wsclose.close_codes"] = "lua/wsclose/close_codes.lua",
    ["wsclose.close_info"] = "lua/wsclose/close_info.lua",
    wsclose = "lua/wsclose/init.lua",
    ["wsclose.openresty"] = "lua/wsclose/openresty.lua",
    ["wsclose.openresty_dial"] = "lua/wsclose/openresty_dial.lua",
    ["wsclose.openresty_tls"] = "lua/wsclose/openresty_tls.lua",
    ["wsclose.option_extensions"] = "lua/wsclose/option_extensions.lua",
    ["wsclose.option_tls"] = "lua/wsclose/option_tls.lua",
    ["wsclose.option_words"] = "lua/wsclose/option_words.lua",
    ["wsclose.log"] = "lua/wsclose/log.lua",
    ["wsclose.many"] = "lua/wsclose/many.lua",
    ["wsclose.options"] = "lua/wsclose/options.lua",
    ["wsclose.outbox"] = "lua/wsclose/outbox.lua",
    ["wsclose.redirect"] = "lua/wsclose/redirect.lua",
    ["wsclose.retry"] = "lua/wsclose/retry.lua",
    ["wsclose.retry_after"] = "lua/wsclose/retry_after.lua",
    ["wsclose.retry_delay"] = "lua/wsclose/retry_delay.lua",
    ["wsclose.retry_options"] = "lua/wsclose/retry_options.lua",
    ["wsclose.retry_random"] = "lua/wsclose/retry_random.lua",
    ["wsclose.retry_verdict"] = "lua/wsclose/retry_verdict.lua",
    ["wsclose.shared"] = "lua/wsclose/shared.lua",
    ["wsclose.timers"] = "lua/wsclose/timers.lua",
    ["wsclose.writer"] = "lua/wsclose/writer.lua",
    ["wsclose.copas"] = "lua/wsclose/copas.lua",
    ["wsclose.cqueues"] = "lua/wsclose/cqueues.lua",
    ["wsclose.hosted"] = "lua/wsclose/hosted.lua",
    ["wsclose.inbox"] = "lua/wsclose/inbox.lua",
    ["wsclose.queue"] = "lua/wsclose/queue.lua",
    ["wsclose.turn"] = "lua/wsclose/turn.lua",
    ["wsclose.client_info"] = "lua/wsclose/client_info.lua",
    ["wsclose.love"] = "lua/wsclose/love.lua",
    ["wsclose.luv"] = "lua/wsclose/luv.lua",
    ["wsclose.cli"] = "lua/wsclose/cli/init.lua",
    ["wsclose.cli.arguments"] = "lua/wsclose/cli/arguments.lua",
    ["wsclose.cli.check"] = "lua/wsclose/cli/check.lua",
    ["wsclose.cli.codes"] = "lua/wsclose/cli/codes.lua",
    ["wsclose.cli.connection"] = "lua/wsclose/cli/connection.lua",
    ["wsclose.cli.editing"] = "lua/wsclose/cli/editing.lua",
    ["wsclose.cli.json"] = "lua/wsclose/cli/json.lua",
    ["wsclose.cli.manual"] = "lua/wsclose/cli/manual.lua",
    ["wsclose.cli.report"] = "lua/wsclose/cli/report.lua",
    ["wsclose.cli.serve"] = "lua/wsclose/cli/serve.lua",
    ["wsclose.cli.talk"] = "lua/wsclose/cli/talk.lua",
    ["wsclose.testing"] = "lua/wsclose/testing/init.lua",
    ["wsclose.testing.connection"] = "lua/wsclose/testing/connection.lua",
    ["wsclose.testing.handshake"] = "lua/wsclose/testing/handshake.lua",
    ["wsclose.testing.host"] = "lua/wsclose/testing/host.lua",
    ["wsclose.testing.link"] = "lua/wsclose/testing/link.lua",
    ["wsclose.testing.server"] = "lua/wsclose/testing/server.lua",
    ["wsclose.testing.verbs"] = "lua/wsclose/testing/verbs.lua",
    ["wsclose.testing.wire"] = "lua/wsclose/testing/wire.lua",
    ["wsclose.testing.world"] = "lua/wsclose/testing/world.lua",
    ["wsclose.core"] = {
      sources = sources_with {
        "src/net/posix/clock.c",
        "src/net/posix/environment.c",
        "src/net/posix/file.c",
        "src/net/posix/poll.c",
        "src/net/posix/pollset.c",
        "src/net/posix/random.c",
        "src/net/posix/socket.c",
        "src/net/posix/thread.c",
        "src/net/posix/words.c",
      },
      defines = { "_GNU_SOURCE" },
      incdirs = { "src", "$(OPENSSL_INCDIR)", "$(ZLIB_INCDIR)" },
      libdirs = { "$(OPENSSL_LIBDIR)", "$(ZLIB_LIBDIR)" },
      libraries = { "ssl", "crypto", "z" },
    },
  },
  install = { bin = { wsclose = "bin/wsclose" } },
  copy_directories = { "docs", "examples" },
  platforms = {
    -- macOS has threads in its libSystem
    macosx = { modules = { ["wsclose.core"] = { libraries = { "ssl", "crypto", "z" } } } },
    bsd = { modules = { ["wsclose.core"] = { libraries = { "ssl", "crypto", "z", "pthread" } } } },
    -- LuaRocks puts lists over lists, entry by entry: these are not the shorter ones
    windows = {
      modules = {
        ["wsclose.core"] = {
          sources = sources_with {
            "src/net/absent/platform.c",
            "src/net/windows/authorities.c",
            "src/net/windows/clock.c",
            "src/net/windows/environment.c",
            "src/net/windows/file.c",
            "src/net/windows/input.c",
            "src/net/windows/poll.c",
            "src/net/windows/pollset.c",
            "src/net/windows/random.c",
            "src/net/windows/socket.c",
            "src/net/windows/thread.c",
            "src/net/windows/winsock.c",
            "src/net/windows/words.c",
          },
          defines = { "_GNU_SOURCE", "_WIN32_WINNT=0x0A00" },
          libraries = {
            "ssl", "crypto", "z", "ws2_32", "iphlpapi", "bcrypt", "crypt32", "user32", "advapi32",
          },
        },
      },
    },
    -- glibc before 2.34 keeps dlopen in a library of its own
    linux = {
      modules = { ["wsclose.core"] = { libraries = { "ssl", "crypto", "z", "pthread", "dl" } } },
    },
  },
}

test = { type = "command", script = "scripts/test_rock.lua" }
