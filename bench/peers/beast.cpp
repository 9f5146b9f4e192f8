// Boost.Beast: synchronous calls as in its fast examples, one io_context for idle connections.
#include "peer.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include <memory>
#include <vector>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using plain_stream = websocket::stream<tcp::socket>;
using tls_stream = websocket::stream<beast::ssl_stream<tcp::socket>>;

namespace {

// The library's 4 KiB hold a small message whole; a large one is masked and written in pieces.
constexpr std::size_t large_write_buffer = 64 * 1024;

struct loop {
  asio::io_context io{1};
  asio::ssl::context tls{asio::ssl::context::tls_client};
};

plain_stream make(loop &l, plain_stream *) {
  return plain_stream(l.io);
}
tls_stream make(loop &l, tls_stream *) {
  return tls_stream(l.io, l.tls);
}

void handshake_below(plain_stream &) {}
void handshake_below(tls_stream &ws) {
  ws.next_layer().handshake(asio::ssl::stream_base::client);
}

// The answer's headers say whether the offer was taken up.
template <class Stream> void handshake(Stream &ws, bench &b) {
  websocket::response_type answer;
  ws.handshake(answer, "127.0.0.1:" + std::to_string(b.port), b.path);
  bool agreed = answer["Sec-WebSocket-Extensions"].starts_with("permessage-deflate");
  if (peer_compresses(&b) && !agreed) bench_fail("permessage-deflate was not agreed");
}

template <class Stream> void open(Stream &ws, bench &b) {
  auto &socket = beast::get_lowest_layer(ws);
  socket.connect({asio::ip::address_v4::loopback(), static_cast<unsigned short>(b.port)});
  socket.set_option(tcp::no_delay(true));
  handshake_below(ws);
  websocket::permessage_deflate offer;
  offer.client_enable = peer_compresses(&b);
  ws.set_option(offer);
  ws.auto_fragment(false);
  ws.read_message_max(0);
  if (b.size > large_write_buffer) ws.write_buffer_bytes(large_write_buffer);
  ws.text(true);
  handshake(ws, b);
}

// Unlike close(), which drops what still comes, this fails at it.
template <class Stream> void close_after_all(loop &l, Stream &ws) {
  beast::flat_buffer buffer;
  ws.async_read(buffer, [](beast::error_code error, std::size_t) {
    bench_check(error.failed(), "a message too many");
  });
  ws.async_close(websocket::close_code::normal,
                 [](beast::error_code error) { bench_check(!error, "no answer to Close"); });
  l.io.run();
}

template <class Stream> void run_exchange(loop &l, bench &b) {
  auto ws = make(l, static_cast<Stream *>(nullptr));
  open(ws, b);
  peer_exchange e = peer_begin(&b);
  beast::flat_buffer buffer;
  while (!e.over) {
    for (; e.due > 0; e.due--) ws.write(asio::buffer(e.data, e.size));
    ws.read(buffer);
    peer_take(&e, buffer.data().data(), buffer.size());
    buffer.consume(buffer.size());
  }
  close_after_all(l, ws);
  bench_result(&b);
}

template <class Stream> void run_cycle(loop &l, bench &b) {
  auto ws = make(l, static_cast<Stream *>(nullptr));
  open(ws, b);
  ws.close(websocket::close_code::normal);
}

template <class Stream> void run_connect(loop &l, bench &b) {
  for (std::uint64_t i = 0; i < b.warm; i++) run_cycle<Stream>(l, b);
  bench_begin(&b);
  for (std::uint64_t i = 0; i < b.count; i++) run_cycle<Stream>(l, b);
  bench_end(&b);
  bench_result(&b);
}

template <class Stream> struct idle_client {
  Stream ws;
  char first[64]; // of a message; a dynamic buffer would hold 1536 bytes while nothing comes

  explicit idle_client(loop &l) : ws(make(l, static_cast<Stream *>(nullptr))) {}

  void wait() {
    ws.async_read_some(asio::buffer(first), [](beast::error_code, std::size_t) {
      bench_fail("a connection did not idle");
    });
  }
};

template <class Stream> void run_idle(loop &l, bench &b) {
  run_cycle<Stream>(l, b);
  auto before = bench_resident();
  std::vector<std::unique_ptr<idle_client<Stream>>> clients;
  clients.reserve(b.count);
  for (std::uint64_t i = 0; i < b.count; i++) {
    clients.push_back(std::make_unique<idle_client<Stream>>(l));
    open(clients.back()->ws, b);
    clients.back()->wait();
  }
  l.io.run_for(std::chrono::milliseconds(IDLE_MS));
  peer_memory_result(&b, before);
  std::fflush(stdout);
  _exit(0); // with all of them open
}

template <class Stream> void run(bench &b) {
  loop l;
  if (bench_is(&b, "connect"))
    run_connect<Stream>(l, b);
  else if (bench_is(&b, "idle"))
    run_idle<Stream>(l, b);
  else
    run_exchange<Stream>(l, b);
}

} // namespace

int main(int argc, char **argv) {
  bench b = peer_arguments(argc, argv);
  try {
    if (b.tls)
      run<tls_stream>(b);
    else
      run<plain_stream>(b);
  } catch (const std::exception &error) {
    bench_fail("%s", error.what());
  }
  return 0;
}
