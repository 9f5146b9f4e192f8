rockspec_format = "3.0"
package = "wsclose"
version = "scm-1"

source = { url = "git+https://github.com/wsclose/wsclose.git" }

description = {
  summary = "A WebSocket client that always knows why a connection closed and what to do next",
  detailed = [[
A WebSocket client in C for Lua 5.1 to 5.4 and LuaJIT: RFC 6455, permessage-deflate, TLS, proxies.
Nothing blocks but what says it blocks.  Every connection ends in one on_close with a code, a reason
and its cause; 1001 reconnects by itself, 1010 names the extension that the server lacks.]],
  license = "MIT",
}

dependencies = { "lua >= 5.1, < 5.5" }

external_dependencies = {
  OPENSSL = { header = "openssl/ssl.h" },
  ZLIB = { header = "zlib.h" },
}

build = {
  type = "builtin",
  modules = {
    ["wsclose.attempt"] = "lua/wsclose/attempt.lua",
    ["wsclose.client"] = "lua/wsclose/client.lua",
    ["wsclose.close_codes"] = "lua/wsclose/close_codes.lua",
    ["wsclose.close_info"] = "lua/wsclose/close_info.lua",
    wsclose = "lua/wsclose/init.lua",
    ["wsclose.openresty"] = "lua/wsclose/openresty.lua",
    ["wsclose.options"] = "lua/wsclose/options.lua",
    ["wsclose.outbox"] = "lua/wsclose/outbox.lua",
    ["wsclose.redirect"] = "lua/wsclose/redirect.lua",
    ["wsclose.retry"] = "lua/wsclose/retry.lua",
    ["wsclose.retry_after"] = "lua/wsclose/retry_after.lua",
    ["wsclose.retry_options"] = "lua/wsclose/retry_options.lua",
    ["wsclose.writer"] = "lua/wsclose/writer.lua",
    ["wsclose.copas"] = "lua/wsclose/copas.lua",
    ["wsclose.cqueues"] = "lua/wsclose/cqueues.lua",
    ["wsclose.hosted"] = "lua/wsclose/hosted.lua",
    ["wsclose.love"] = "lua/wsclose/love.lua",
    ["wsclose.luv"] = "lua/wsclose/luv.lua",
    ["wsclose.testing"] = "lua/wsclose/testing/init.lua",
    ["wsclose.testing.connection"] = "lua/wsclose/testing/connection.lua",
    ["wsclose.testing.handle"] = "lua/wsclose/testing/handle.lua",
    ["wsclose.testing.handshake"] = "lua/wsclose/testing/handshake.lua",
    ["wsclose.testing.link"] = "lua/wsclose/testing/link.lua",
    ["wsclose.testing.server"] = "lua/wsclose/testing/server.lua",
    ["wsclose.testing.verbs"] = "lua/wsclose/testing/verbs.lua",
    ["wsclose.testing.wire"] = "lua/wsclose/testing/wire.lua",
    ["wsclose.testing.world"] = "lua/wsclose/testing/world.lua",
    ["wsclose.core"] = {
      sources = {
        "src/binding/lua_box.c",
        "src/binding/lua_client.c",
        "src/binding/lua_conn.c",
        "src/binding/lua_module.c",
        "src/binding/lua_options.c",
        "src/binding/lua_protocol.c",
        "src/binding/lua_push.c",
        "src/core/buf.c",
        "src/core/close.c",
        "src/core/conn.c",
        "src/core/conn_close.c",
        "src/core/conn_input.c",
        "src/core/conn_tick.c",
        "src/core/deflate.c",
        "src/core/error.c",
        "src/core/extension.c",
        "src/core/extension_answer.c",
        "src/core/extension_check.c",
        "src/core/extension_judge.c",
        "src/core/extension_terms.c",
        "src/core/frame.c",
        "src/core/handshake.c",
        "src/core/handshake_answer.c",
        "src/core/handshake_request.c",
        "src/core/http.c",
        "src/core/mask.c",
        "src/core/message.c",
        "src/core/message_queue.c",
        "src/core/uri.c",
        "src/core/uri_host.c",
        "src/core/utf8.c",
        "src/net/address.c",
        "src/net/client.c",
        "src/net/clock.c",
        "src/net/dial.c",
        "src/net/fault.c",
        "src/net/name.c",
        "src/net/pollset.c",
        "src/net/prepare.c",
        "src/net/proxy.c",
        "src/net/proxy_env.c",
        "src/net/proxy_http.c",
        "src/net/proxy_socks5.c",
        "src/net/proxy_tunnel.c",
        "src/net/random.c",
        "src/net/resolve.c",
        "src/net/setup.c",
        "src/net/setup_stage.c",
        "src/net/socket.c",
        "src/net/tls.c",
        "src/net/tls_base.c",
        "src/net/tls_bio.c",
        "src/net/tls_context.c",
        "src/net/tls_fault.c",
        "src/net/tls_load.c",
        "src/net/tls_pace.c",
        "src/net/tls_session.c",
        "src/net/tls_verify.c",
        "src/net/transfer.c",
        "src/net/wait.c",
        "src/net/watch.c",
      },
      defines = { "_GNU_SOURCE" },
      incdirs = { "src", "$(OPENSSL_INCDIR)", "$(ZLIB_INCDIR)" },
      libdirs = { "$(OPENSSL_LIBDIR)", "$(ZLIB_LIBDIR)" },
      libraries = { "ssl", "crypto", "z", "pthread" },
    },
  },
  platforms = {
    -- glibc before 2.34 keeps dlopen in a library of its own
    linux = {
      modules = { ["wsclose.core"] = { libraries = { "ssl", "crypto", "z", "pthread", "dl" } } },
    },
  },
}
