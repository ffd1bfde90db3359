#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include "api/http/server.h"
#include "api/server/store_service.h"
#include "engine/json/json.h"
#include "engine/store/store_storage.h"
#include "engine/sync/receiver.h"
#include "tools/commands/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/report.h"
#include "tools/output/terminal_text.h"
#include "tools/process/interrupt.h"
#include "tools/serve/credentials.h"
#include "tools/serve/figures.h"
#include "tools/serve/forwarder.h"
#include "tools/serve/request_log.h"
#include "tools/serve/served_store.h"
#include "tools/serve/supervisor.h"
#include "tools/store/open_store.h"
#include "tools/store/relay_socket.h"
#include "tools/sync/carrier.h"
#include "tools/sync/folder_exchange.h"
#include "tools/sync/summary.h"

namespace cairn::tools {

namespace {

using engine::Store;
using engine::Value;
namespace protocol = engine::sync;

constexpr int64_t kPollIntervalMs = 2000;  // workers behind this relay wait for it, and poll in turn
constexpr const char* kServeNotes =
    R"help(Serves the runs of this store over HTTP, to @trigger.dev/sdk, its React hooks and anything else:
trigger, retrieve, list, metadata, realtime. And receives what other stores send, by `cairn sync` or
through the library. If there is no store, it makes one, which needs about 18 MiB. A batch is
answered after it is on disk, and counts once however often it is sent. The runs can be read like
any others while the server runs: `cairn ls`, `show`, `watch`. A server can have an upstream itself,
so stores can form a chain. The routes are in api/server/GUIDE.md.

By default only this machine can reach it. To listen on an address that other machines can reach,
it needs a token and TLS. If a token is given, every request must have one. To make one:
`openssl rand -hex 32 > token; chmod 600 token`. A device that only sends what it has gets one of
--sync-token-file. A unix socket can be reached by this user only. The server always listens on
relay.sock in the store's directory, too, where this user's processes need no token.

SIGHUP reads the files of tokens, and the certificate and its key, again; connections and requests
that wait go on. To exchange a token have two --token-file with the same one in both: write the new
one into the first, SIGHUP, tell it to all who ask, write it into the second, SIGHUP. A run is
erased by --retain-finished once the upstream, if there is one, has all of it. What --log writes has
no headers and no queries.

GET /healthz answers `ok`, GET /readyz whether updates are taken, GET /metrics has figures for
Prometheus. Ctrl-C ends the server cleanly. If the store was removed, or failed to write and must be
opened again, the server ends by itself, with 74.

Examples:
  cairn serve --store relay
  cairn serve --store relay --listen unix:/run/user/1000/cairn.sock
  cairn serve --store centre --listen 0.0.0.0:4020 --host centre.example:4020 --token-file token \
    --tls-cert cert.pem --tls-key key.pem
  cairn serve --store relay --upstream https://centre.example:4020 --upstream-token-file token
  cairn serve --store centre --via-folder /media/stick      answers the messages there, and ends)help";

struct ServeArguments {
  std::vector<std::string> listen, hosts, token_files, sync_token_files, allow_origins;
  std::string tls_cert, tls_key, upstream, upstream_token_file, ca_file, folder;
  std::optional<uint64_t> limit, connections_max;
  int64_t late_metadata_ms = 3'600'000;
  int64_t retain_finished_ms = 0;
  std::string log = "off";
  bool metrics_open = false;
};

void print_end(const Globals& globals, const protocol::Receiver::Counters& c) {
  if (globals.json) {
    print_json({{"batches", Value(c.batches)},
                {"changes", Value(c.entries)},
                {"duplicates", Value(c.duplicates)},
                {"verdicts", Value(c.verdicts)},
                {"refused", Value(c.refused)}});
    return;
  }
  std::printf("by sync: %s with %s of runs, %llu came again, %llu could not be read\n",
              counted(c.batches, "batch", "batches").c_str(), counted(c.entries, "change").c_str(),
              static_cast<unsigned long long>(c.duplicates), static_cast<unsigned long long>(c.refused));
}

/// HOST or HOST:PORT, as it stands in a request's Host. Never repeats it: people paste what has a password in it.
bool is_host(const std::string& text) {
  const bool bracket = text.starts_with('[');
  const size_t colon = bracket ? text.find(':', std::min(text.find(']'), text.size())) : text.find(':');
  const std::string host = text.substr(0, colon);
  const auto is_of_name = [bracket](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           (bracket ? c == ':' : c == '_');
  };
  const std::string inside = bracket && host.size() > 2 && host.back() == ']' ? host.substr(1, host.size() - 2) : host;
  return !inside.empty() && std::all_of(inside.begin(), inside.end(), is_of_name) &&
         (colon == std::string::npos || parse_whole(text.substr(colon + 1), {1, 65535}));
}

/// SCHEME://HOST or SCHEME://HOST:PORT, as a browser writes the origin of a page.
bool is_origin(const std::string& text) {
  const size_t at = text.starts_with("https://") ? 8 : text.starts_with("http://") ? 7 : 0;
  const std::string host = text.substr(at);
  return at != 0 && is_host(host) &&
         std::none_of(host.begin(), host.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

/// The host by which clients can ask: no client takes an address that stands for all of them.
std::string host_of(const std::string& address, const std::vector<std::string>& hosts) {
  const size_t colon = address.rfind(':');
  const std::string host = address.substr(0, colon);
  const std::string port = address.substr(colon);
  if (host != "0.0.0.0" && host != "[::]") {
    return address;
  }
  if (hosts.empty()) {
    return (host == "[::]" ? "[::1]" : "127.0.0.1") + port;
  }
  const std::string& name = hosts.front();
  return name.rfind(':') != std::string::npos && !name.ends_with(']') ? name : name + port;
}

/// Where it listens, and what the npm client has to be told. `key`: what to give as the secret key.
void print_addresses(const Globals& globals, const std::vector<std::string>& addresses,
                     const std::vector<std::string>& hosts, bool tls, bool needs_key, const std::string& key) {
  for (const std::string& address : addresses) {
    const bool unix_socket = address.starts_with("unix:");
    const std::string url = unix_socket ? "" : (tls ? "https://" : "http://") + host_of(address, hosts);
    if (globals.json) {
      engine::Object o = {{"listening", Value(address)}, {"needs_key", Value(needs_key)}};
      if (!url.empty()) {
        o.push_back({"url", Value(url)});
      }
      print_json(std::move(o));
      continue;
    }
    std::printf("listening on %s\n", address.c_str());
    if (!url.empty()) {
      std::printf("  for @trigger.dev/sdk: TRIGGER_API_URL=%s TRIGGER_SECRET_KEY=%s\n", url.c_str(), key.c_str());
    }
  }
  std::fflush(stdout);
}

Status serve_http(const Globals& globals, const ServeArguments& a, ServedStore& served, protocol::Receiver& receiver,
                  std::unique_ptr<Carrier> carrier, size_t connections, Supervisor& supervisor) {
  Store& store = served.store();
  http::ServerOptions options;
  options.listen = a.listen;
  options.sockets = supervisor.sockets();
  if (options.listen.empty() && options.sockets.empty()) {
    options.listen = {"127.0.0.1:4020"};
  }
  options.own_socket = store.options().directory + "/" + kRelaySocket;
  options.hosts = a.hosts;
  options.tls_cert = a.tls_cert;
  options.tls_key = a.tls_key;
  options.limits.connections_max = connections;
  options.limits.strangers_max = std::max<size_t>(connections / 4, 1);
  options.limits.kept_max = std::max<size_t>(connections / 4 * 3, 1);
  options.log = [&globals](std::string_view line) {
    if (!line.starts_with("listening on ")) {  // that is output
      note(globals, std::string(line));
    }
  };
  CredentialFiles credentials(globals, {a.token_files, a.sync_token_files, a.tls_cert, a.tls_key});
  CAIRN_TRY_ASSIGN(auto tokens, credentials.read_tokens());
  std::optional<RequestLog> request_log;
  if (a.log != "off") {
    request_log.emplace(a.log == "json" ? RequestLog::Form::kJson : RequestLog::Form::kText);
  }
  Figures figures(store, receiver, a.metrics_open);
  options.request_ids = request_log.has_value();
  options.on_end = [&figures, &request_log](const http::Ended& ended) {
    figures.count(ended);
    if (request_log) {
      request_log->add(ended);
    }
  };
  server::StoreService service(
      store, receiver,
      {std::move(tokens.api), std::move(tokens.sync), 1000 * a.late_metadata_ms,
       [&globals](const std::string& text) { note(globals, "a delay or a time to live does not end: " + text); },
       figures.routes()});
  figures.watch(service);
  options.authenticate = service.authenticator();
  options.cors.origins = a.allow_origins;
  options.cors.expose_headers = server::StoreService::exposed_headers();
  const bool tls = !a.tls_cert.empty();
  const std::string one_address = options.listen.size() == 1 ? options.listen[0] : "";  // of several it is not known
  auto server = http::Server::start(std::move(options), service.routes());
  if (!server.ok()) {
    const std::string_view what = server.status().what;
    const bool of_address = what.ends_with("this address") || what.ends_with("this unix socket");
    const std::string file = of_address ? one_address : credentials.file_of(what);
    return file.empty() ? server.status() : engine::fail(server.status(), std::string(what), file);
  }
  const std::string key = !service.needs_key()     ? "any"
                          : !a.token_files.empty() ? "(the text in the file of --token-file)"
                                                   : "(none: without --token-file nobody may use the runs)";
  print_addresses(globals, (*server)->addresses(), a.hosts, tls, service.needs_key(), key);
  figures.watch(**server);
  credentials.warn();
  supervisor.ready();
  Status lost;
  {
    const Forwarder forwarder(globals, store, std::move(carrier));
    while (!interrupted() && (lost = served.look()).ok()) {
      served.give_memory_back((*server)->counters().requests);
      figures.look();
      supervisor.lives();
      if (reload_asked()) {
        supervisor.reloads();
        credentials.reload(service, **server);
        supervisor.ready();
      }
      pause_ms(100);
    }
  }
  const engine::ErrorDetail detail = engine::error_detail();
  supervisor.stops();
  service.retire();
  kill_at_interrupt(3);  // a second one comes from somebody in a hurry, and the stop ends by itself
  (*server)->stop(5000);
  const protocol::Receiver::Counters counters = receiver.counters();
  if (globals.json || counters.batches + counters.duplicates + counters.refused != 0) {  // it may be here for runs only
    print_end(globals, counters);
  }
  engine::error_detail() = detail;
  return lost;
}

Exit serve(const Globals& globals, const ServeArguments& a) {
  if (a.log != "off" && a.log != "text" && a.log != "json") {
    return report_usage(globals, "--log takes off, text or json");
  }
  const std::optional<std::string> directory = store_directory(globals);
  const std::optional<uint32_t> limit = metadata_limit(globals, a.limit);
  if (!directory || !limit) {
    return Exit::kUsage;
  }
  if (!std::all_of(a.hosts.begin(), a.hosts.end(), is_host)) {
    return report_usage(globals, "--host takes HOST or HOST:PORT with a port from 1 to 65535, as relay.example:4020");
  }
  if (!std::all_of(a.allow_origins.begin(), a.allow_origins.end(), is_origin)) {
    return report_usage(globals,
                        "--allow-origin takes the origin of a page as a browser sends it: https://app.example, "
                        "or http://localhost:3000, in lower case and without a path");
  }
  const std::optional<size_t> connections = connections_max(a.connections_max.value_or(0));
  if (!connections) {
    return report_usage(
        globals, "--connections-max: at most the hard limit of descriptors (`ulimit -Hn`) less 64 for the store");
  }
  std::unique_ptr<Carrier> carrier;
  if (!a.upstream.empty()) {
    auto made = make_http_carrier({a.upstream, a.upstream_token_file, {}, a.ca_file, 30'000});
    if (!made.ok()) {
      return report_error(globals, made.status());
    }
    carrier = std::move(*made);
    if (!carrier->warning.empty()) {
      note(globals, carrier->warning);
    }
  }
  if (a.folder.empty()) {
    note_reloads();
  }
  Supervisor supervisor;
  auto store = ServedStore::open(globals, {*directory, *limit, static_cast<uint64_t>(a.retain_finished_ms)});
  if (!store.ok()) {
    return report_error(globals, store.status());
  }
  Status status;
  {
    protocol::StoreStorage storage((*store)->store());
    protocol::Receiver receiver(storage);
    if (!a.folder.empty()) {
      uint64_t answered = 0;
      status = answer_messages(
          a.folder, [&receiver](const std::string& message) { return receiver.handle(message); }, answered);
      if (status.ok() || answered > 0) {
        print_end(globals, receiver.counters());
      }
    } else {
      if (carrier != nullptr) {
        engine::sync::SenderOptions sender;
        sender.poll_interval_ms = kPollIntervalMs;
        sender.stays = true;
        status = (*store)->store().upstream().attach(without_secrets(a.upstream), sender);
      }
      if (status.ok()) {
        status = serve_http(globals, a, **store, receiver, std::move(carrier), *connections, supervisor);
      }
    }
  }
  const engine::ErrorDetail detail = engine::error_detail();
  const Status closed = (*store)->close();
  if (!status.ok()) {
    engine::error_detail() = detail;
    return report_error(globals, status);
  }
  return closed.ok() ? Exit::kDone : report_error(globals, closed, "the store could not be closed cleanly");
}

}  // namespace

void add_serve(CommandLine& line) {
  auto a = std::make_shared<ServeArguments>();
  line.add("serve", "Serve the runs of this store over HTTP, and take what other stores send", kServeNotes)
      .list("--listen", "ADDRESS", "IP:PORT or unix:PATH (default 127.0.0.1:4020); can be repeated", a->listen)
      .list("--host", "NAME", "This server's name for others, as relay.example:4020; can be repeated", a->hosts)
      .list("--token-file", "FILE", "Require the token in this file of all; can be repeated", a->token_files)
      .list("--sync-token-file", "FILE", "A token that only opens the route of `cairn sync`; can be repeated",
            a->sync_token_files)
      .list("--allow-origin", "ORIGIN", "A page of this origin may call, as https://app.example; can be repeated",
            a->allow_origins)
      .option("--tls-cert", "FILE", "Certificate chain (PEM)", a->tls_cert)
      .option("--tls-key", "FILE", "Key of the certificate (PEM)", a->tls_key)
      .option("--upstream", "URL", "Send everything on to another `cairn serve`", a->upstream)
      .option("--upstream-token-file", "FILE", "The token for --upstream (default: CAIRN_TOKEN)",
              a->upstream_token_file)
      .option("--ca-file", "FILE", "Certificates (PEM) to trust for --upstream instead of the system's", a->ca_file)
      .option("--via-folder", "DIR", "Answer the messages in DIR, and end", a->folder)
      .duration("--late-metadata", "So long after its end a run takes metadata by its route (default 1h)",
                a->late_metadata_ms)
      .duration("--retain-finished", "Erase runs so long after they ended: 30d (default: never)", a->retain_finished_ms)
      .option("--log", "FORM", "A line for each request on stderr: text, json or off (default)", a->log)
      .flag("--metrics-open", "GET /metrics needs no token", a->metrics_open)
      .number("--connections-max", "N", "Most connections at once (8192, or the descriptor limit less 64)",
              {1, UINT32_MAX}, a->connections_max)
      .metadata_limit(a->limit)
      .excludes("--via-folder",
                {"--listen", "--host", "--token-file", "--sync-token-file", "--allow-origin", "--tls-cert", "--tls-key",
                 "--upstream", "--upstream-token-file", "--ca-file", "--connections-max", "--late-metadata",
                 "--retain-finished", "--log", "--metrics-open"})
      .only_with("--upstream", {"--upstream-token-file", "--ca-file"})
      .run([a](const Globals& globals) { return serve(globals, *a); });
}

}  // namespace cairn::tools
