--- What other clients call the options: the words, in small letters without "_" and "-", and what
-- stands here for them.  Words that are near by spelling are found without.

local WORDS = {
  ["tls"] = "ssl ssloptions sslparams sslopt tlsoptions tlsparams secure",
  ["tls.verify"] = "verify sslverify verifymode insecure skipverify rejectunauthorized selfsigned",
  ["tls.ca_file"] = "ca cafile cacert cacerts truststore",
  ["tls.cert"] = "cert certfile certificate clientcert",
  ["tls.key"] = "key keyfile privatekey clientkey",
  ["tls.server_name"] = "servername serverhostname sni",
  ["tls.pin"] = "pins fingerprint",
  ["timeouts.connect"] = "connecttimeout connectiontimeout opentimeout dialtimeout",
  ["timeouts.handshake"] = "handshaketimeout",
  ["timeouts.close"] = "closetimeout",
  ["keepalive"] = "pinginterval ping heartbeat heartbeatinterval autoping pings",
  ["keepalive.timeout"] = "pingtimeout pongtimeout heartbeattimeout",
  ["limits.message"] = "maxpayload maxpayloadlen maxsize maxmessagesize readlimit maxlen",
  ["limits.send_queue"] = "maxqueue writelimit sendbuffer highwatermark",
  ["extensions"] = "compression compress deflate permessagedeflate",
  ["headers"] = "header extraheaders additionalheaders customheaders httpheaders origin useragent "
    .. "cookie cookies auth authorization host",
  ["protocols"] = "subprotocol subprotocols protocol",
  ["retry"] = "reconnect autoreconnect reconnection retries maxretries maxreconnects backoff "
    .. "reconnectinterval reconnectdelay reconnecttimeout",
  ["redirects"] = "followredirects followredirect maxredirects maxredirs",
  ["proxy"] = "httpproxy proxyurl proxyhost",
  ["bind"] = "localaddress localaddr sourceaddress interface",
  ["resolve"] = "resolver dns hosts",
  ["max_time"] = "budget",
  ["on_open"] = "onconnect onconnected onready",
  ["on_message"] = "ondata ontext onbinary onreceive",
  ["on_close"] = "onerror ondisconnect ondisconnected onend onfail",
  ["on_retry"] = "onreconnect onreconnecting",
}

local option_of = {}
for option, words in pairs(WORDS) do
  for word in words:gmatch "%S+" do option_of[word] = option end
end

--- The option that a word of another client's means.
---@param word string
---@param prefix string "tls.": the option's group, where the word stands in one
---@return string? option "tls.verify"
return function(word, prefix)
  local option = option_of[(word:lower():gsub("[_-]", ""))]
  return option and option:sub(1, #prefix) == prefix and option or nil
end
