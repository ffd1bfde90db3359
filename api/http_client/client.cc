#include "api/http_client/client.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <mutex>
#include <new>
#include <utility>

#include "api/http_client/endpoint.h"
#include "api/http_client/failure.h"
#include "api/http_client/request.h"
#include "api/http_client/retry_after.h"
#include "wal/descriptor.h"

namespace cairn::http_client {

namespace {

constexpr int64_t kDayMs = 24 * 60 * 60 * 1000;
constexpr size_t kErrorBytesMax = 300;
constexpr size_t kCaFileBytesMax = size_t{16} << 20;

/// Never cleaned up: the host may use libcurl too, and threads of the resolver may outlive the last client.
bool start_libcurl() {
  static std::once_flag once;
  static CURLcode code = CURLE_FAILED_INIT;
  std::call_once(once, [] { code = curl_global_init(CURL_GLOBAL_DEFAULT); });
  return code == CURLE_OK;
}

/// Sets options until one fails.
class Settings {
 public:
  explicit Settings(CURL* easy) : easy_(easy) {}
  template <class T>
  Settings& set(CURLoption option, T value) {
    if (code_ == CURLE_OK) {
      code_ = curl_easy_setopt(easy_, option, value);
    }
    return *this;
  }
  [[nodiscard]] Status status() const {
    if (code_ == CURLE_OK) {
      return {};
    }
    return {code_ == CURLE_OUT_OF_MEMORY ? Code::kNoMemory : Code::kInternal, "setting up libcurl", code_};
  }

 private:
  CURL* easy_;
  CURLcode code_ = CURLE_OK;
};

// Programs that the host starts do not inherit the connection.
curl_socket_t open_socket(void* /*client*/, curlsocktype /*purpose*/, curl_sockaddr* address) {
  return wal::above_standard(::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol));
}

Status check_limits(const Options& options) {
  if (options.timeout_ms < 1 || options.timeout_ms > kDayMs || options.connect_timeout_ms < 1 ||
      options.connect_timeout_ms > kDayMs) {
    return {Code::kInvalidArgument, "a timeout is below a millisecond or over a day"};
  }
  if (options.reply_bytes_max < 1) {
    return {Code::kInvalidArgument, "reply_bytes_max is 0"};
  }
  return {};
}

// Whether the text is the base64 of one DER sequence, not shorter than its length says. TLS checks more; this finds
// truncated files and files without a certificate.
bool holds_der(std::string_view base64) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string der;
  uint32_t bits = 0;
  size_t digits = 0;
  for (const char c : base64) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '=') {
      continue;
    }
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) {
      return false;
    }
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if (++digits % 4 != 1) {
      der.push_back(static_cast<char>(bits >> (6 - 2 * ((digits - 1) % 4)) & 0xff));
    }
  }
  const auto at = [&der](size_t i) { return i < der.size() ? static_cast<uint8_t>(der[i]) : uint8_t{0}; };
  size_t begin = 2;
  size_t length = at(1);
  if (length > 0x80 && length <= 0x84) {
    begin += length - 0x80;
    length = 0;
    for (size_t i = 2; i < begin; ++i) {
      length = length << 8 | at(i);
    }
  }
  return at(0) == 0x30 && length > 0x10 && der.size() >= begin + length;
}

// Checks the file at open, so that a wrong file is reported there and not with each request.
Status check_ca_file(const std::string& path) {
  constexpr size_t kStepBytes = size_t{64} << 10;
  const wal::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::string text;
  ssize_t got = file.get() < 0 ? -1 : 1;
  while (got > 0 && text.size() < kCaFileBytesMax) {
    const size_t length = text.size();
    text.resize(length + kStepBytes);
    got = read(file.get(), text.data() + length, kStepBytes);
    text.resize(length + (got > 0 ? static_cast<size_t>(got) : 0));
  }
  if (got < 0) {
    return {Code::kIo, "the file of CA certificates cannot be read", errno};
  }
  size_t count = 0;
  for (const std::string_view kind : {"CERTIFICATE-----", "TRUSTED CERTIFICATE-----", "X509 CERTIFICATE-----"}) {
    const std::string head = "-----BEGIN " + std::string(kind);
    for (size_t begin = text.find(head); begin != std::string::npos; begin = text.find(head, begin)) {
      begin += head.size();
      const size_t end = text.find("-----END " + std::string(kind), begin);
      if (end == std::string::npos || !holds_der(std::string_view(text).substr(begin, end - begin))) {
        return {Code::kTypeMismatch, "the file of CA certificates holds one that is cut off or damaged"};
      }
      ++count;
    }
  }
  if (count == 0) {
    return {Code::kTypeMismatch, "the file of CA certificates holds no certificate (PEM: -----BEGIN CERTIFICATE-----)"};
  }
  return {};
}

// libcurl's texts quote its input, such as a proxy of the environment with its password.
bool may_hold_an_address(std::string_view text) { return text.find_first_of("@?") != std::string_view::npos; }

std::string one_line(std::string_view text) {
  std::string line(text.substr(0, kErrorBytesMax));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return line;
}

}  // namespace

struct Client::State {
  // Constant after construction.
  Endpoint endpoint;
  size_t compress_above_bytes = 0;
  size_t reply_bytes_max = 0;
  pid_t process = getpid();

  CURL* easy = nullptr;
  CURLM* multi = nullptr;

  // The same while a request is in flight.
  Secret token;
  Secret authorization;  // the whole header line; empty: none

  // Of the request in flight.
  bool busy = false;
  Request request;
  std::string received;
  bool too_large = false;
  bool has_headers = false;  // the last reply's are complete; libcurl treats a connection's end as the end of headers
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  std::array<char, CURL_ERROR_SIZE> text{};

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    // In a forked child the connection also belongs to the parent: closing it would end the TLS session of the parent.
    if (forked()) {
      return;
    }
    end_request();
    if (easy != nullptr) {
      curl_easy_cleanup(easy);
    }
    if (multi != nullptr) {
      curl_multi_cleanup(multi);
    }
  }

  [[nodiscard]] bool forked() const { return getpid() != process; }
  void take_token(Secret secret);
  Status set_up(const Options& options);
  Status start();
  Reply finish(CURLcode code);
  Reply fail(Failure failure, std::string_view why) const;
  void end_request();
  [[nodiscard]] const char* header(const char* name) const;

  static size_t take(char* bytes, size_t one, size_t count, void* self) noexcept;
  static size_t take_header(char* bytes, size_t one, size_t count, void* self) noexcept;
  static int count(CURL* handle, curl_infotype what, char* bytes, size_t count, void* self) noexcept;
};

size_t Client::State::take(char* bytes, size_t /*one*/, size_t count, void* self) noexcept {
  auto* const state = static_cast<State*>(self);
  if (count > state->reply_bytes_max - state->received.size()) {
    state->too_large = true;
    return 0;
  }
  try {
    state->received.append(bytes, count);
  } catch (const std::bad_alloc&) {
    return 0;
  }
  return count;
}

size_t Client::State::take_header(char* bytes, size_t /*one*/, size_t count, void* self) noexcept {
  const std::string_view line(bytes, count);
  if (line.substr(0, 5) == "HTTP/") {
    static_cast<State*>(self)->has_headers = false;
  } else if (line == "\r\n" || line == "\n") {
    static_cast<State*>(self)->has_headers = true;
  }
  return count;
}

// libcurl's own sums count a body twice that was sent together with its headers.
int Client::State::count(CURL* /*handle*/, curl_infotype what, char* /*bytes*/, size_t count, void* self) noexcept {
  auto* const state = static_cast<State*>(self);
  if (what == CURLINFO_HEADER_OUT || what == CURLINFO_DATA_OUT) {
    state->bytes_sent += count;
  } else if (what == CURLINFO_HEADER_IN || what == CURLINFO_DATA_IN) {
    state->bytes_received += count;
  }
  return 0;
}

Status Client::State::set_up(const Options& options) {
  const wal::StandardHeld held;  // a pair of sockets that wakes the resolver's waiter
  easy = curl_easy_init();
  multi = curl_multi_init();
  if (easy == nullptr || multi == nullptr || curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 1L) != CURLM_OK) {
    return {Code::kNoMemory, "setting up libcurl"};
  }
  Settings settings(easy);
  settings.set(CURLOPT_NOSIGNAL, 1L)
      .set(CURLOPT_QUICK_EXIT, 1L)  // does not join the resolver's thread, which frees its memory by itself
      .set(CURLOPT_PROTOCOLS_STR, endpoint.tls ? "https" : "http")
      .set(CURLOPT_FOLLOWLOCATION, 0L)
      .set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1))
      .set(CURLOPT_PATH_AS_IS, 1L)
      .set(CURLOPT_USERAGENT, "cairn/" CAIRN_VERSION_TEXT)
      .set(CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout_ms))
      .set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout_ms))
      .set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2))
      .set(CURLOPT_SSL_VERIFYPEER, 1L)
      .set(CURLOPT_SSL_VERIFYHOST, 2L)
      .set(CURLOPT_PROXY_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2))
      .set(CURLOPT_TCP_KEEPALIVE, 1L)
      .set(CURLOPT_OPENSOCKETFUNCTION, &open_socket)
      .set(CURLOPT_WRITEFUNCTION, &State::take)
      .set(CURLOPT_WRITEDATA, static_cast<void*>(this))
      .set(CURLOPT_HEADERFUNCTION, &State::take_header)
      .set(CURLOPT_HEADERDATA, static_cast<void*>(this))
      .set(CURLOPT_VERBOSE, 1L)  // calls count() and prints nothing
      .set(CURLOPT_DEBUGFUNCTION, &State::count)
      .set(CURLOPT_DEBUGDATA, static_cast<void*>(this))
      .set(CURLOPT_ERRORBUFFER, text.data());
  if (!options.ca_file.empty()) {
    settings.set(CURLOPT_CAINFO, options.ca_file.c_str())
        .set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // else the system's would be trusted as well
  }
  if (!endpoint.socket_path.empty()) {
    settings.set(CURLOPT_UNIX_SOCKET_PATH, endpoint.socket_path.c_str());
  }
  if (endpoint.local) {
    settings.set(CURLOPT_PROXY, "");
  }
  return settings.status();
}

Status Client::State::start() {
  const std::string& method = request.method();
  Settings settings(easy);
  settings.set(CURLOPT_URL, (endpoint.base + request.path()).c_str()).set(CURLOPT_HTTPHEADER, request.headers());
  if (method == "GET") {
    settings.set(CURLOPT_HTTPGET, 1L).set(CURLOPT_CUSTOMREQUEST, static_cast<const char*>(nullptr));
  } else {
    settings.set(CURLOPT_POST, 1L)
        .set(CURLOPT_POSTFIELDS, request.body().data())
        .set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body().size()))
        .set(CURLOPT_CUSTOMREQUEST, method.c_str());
  }
  CAIRN_TRY(settings.status());
  received.clear();
  too_large = false;
  has_headers = false;
  bytes_sent = 0;
  bytes_received = 0;
  text[0] = '\0';
  if (curl_multi_add_handle(multi, easy) != CURLM_OK) {
    return {Code::kNoMemory, "starting a request"};
  }
  busy = true;
  int running = 0;
  curl_multi_perform(multi, &running);  // the clock of the timeouts starts here; poll() sees what fails
  return {};
}

void Client::State::end_request() {
  if (busy) {
    curl_multi_remove_handle(multi, easy);
    busy = false;
  }
  request.clear();
}

const char* Client::State::header(const char* name) const {
  curl_header* found = nullptr;
  return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &found) == CURLHE_OK ? found->value : nullptr;
}

Reply Client::State::fail(Failure failure, std::string_view why) const {
  Reply reply;
  reply.failure = failure;
  const std::string& path = request.path();
  reply.error = request.method() + " " + endpoint.shown + path.substr(0, path.find('?')) + ": " + one_line(why);
  return reply;
}

Reply Client::State::finish(CURLcode code) {
  Reply reply;
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  if (code == CURLE_OK && (!has_headers || status < 200)) {
    reply = fail(Failure::kTransient, "the reply ended before its body");
  } else if (code == CURLE_OK) {
    reply.http_status = status;
    reply.body = std::move(received);
    if (const char* const value = header("Retry-After")) {
      const char* const date = header("Date");
      const time_t sent = date == nullptr ? -1 : curl_getdate(date, nullptr);
      reply.retry_after_ms = retry_after_ms(value, sent < 0 ? time(nullptr) : sent);
    }
  } else if (too_large) {
    reply = fail(Failure::kProtocol, "the reply is larger than reply_bytes_max");
  } else if (code == CURLE_WRITE_ERROR) {
    reply = fail(Failure::kTransient, "no memory for the reply");
  } else if (code == CURLE_COULDNT_CONNECT && !endpoint.socket_path.empty()) {
    reply = fail(Failure::kTransient, "no server listens on the socket");  // libcurl would speak of a host and a port
  } else {
    // libcurl's text may quote the peer, and the peer knows the token.
    const std::string_view own = text.data();
    const bool quotes =
        may_hold_an_address(own) || (!token.empty() && own.find(token.reveal()) != std::string_view::npos);
    reply = fail(failure_of(code, own), own.empty() || quotes ? curl_easy_strerror(code) : own);
  }
  reply.bytes_sent = bytes_sent;
  reply.bytes_received = bytes_received;
  end_request();
  return reply;
}

Client::Client(std::unique_ptr<State> state) : state_(std::move(state)) {}
Client::~Client() = default;

Result<std::unique_ptr<Client>> Client::open(Options options) {
  CAIRN_TRY(check_limits(options));
  if (!start_libcurl()) {
    return {Code::kInternal, "starting libcurl"};
  }
  auto endpoint = parse_endpoint(options.url, options.dangerously_allow_plain_http);
  if (!endpoint.ok()) {
    return endpoint.status();
  }
  if (endpoint->has_name && (curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_ASYNCHDNS) == 0) {
    return {Code::kInvalidArgument, "this libcurl resolves names in the caller's thread: give an address"};
  }
  if (!options.ca_file.empty()) {
    CAIRN_TRY(check_ca_file(options.ca_file));
  }
  auto state = std::make_unique<State>();
  state->endpoint = std::move(*endpoint);
  state->take_token(std::move(options.token));
  state->compress_above_bytes = options.compress_above_bytes;
  state->reply_bytes_max = options.reply_bytes_max;
  CAIRN_TRY(state->set_up(options));
  return std::unique_ptr<Client>(new Client(std::move(state)));
}

Status Client::send(const std::string& method, const std::string& path, std::string_view body,
                    const std::string& content_type, std::string_view header) {
  State& state = *state_;
  if (state.forked()) {
    return {Code::kForked, "a forked child cannot use its parent's HTTP client"};
  }
  if (state.busy) {
    return {Code::kBusy, "a request is in flight"};
  }
  const char* const authorization = state.authorization.empty() ? nullptr : state.authorization.reveal().data();
  CAIRN_TRY(state.request.prepare(method, path, body, content_type, state.compress_above_bytes, authorization, header));
  const Status status = state.start();
  if (!status.ok()) {
    state.request.clear();
  }
  return status;
}

void Client::State::take_token(Secret secret) {
  token = std::move(secret);
  authorization = token.empty() ? Secret() : token.with_prefix("Authorization: Bearer ");
}

bool Client::set_token(Secret token) {
  if (busy() || token.reveal() == state_->token.reveal()) {
    return false;
  }
  state_->take_token(std::move(token));
  return true;
}

bool Client::busy() const { return state_->busy && !state_->forked(); }

std::optional<Reply> Client::poll(int64_t wait_ms) {
  using Clock = std::chrono::steady_clock;
  if (!busy()) {
    return std::nullopt;
  }
  State& state = *state_;
  const auto end = Clock::now() + std::chrono::milliseconds(std::clamp<int64_t>(wait_ms, 0, kDayMs));
  for (;;) {
    int running = 0;
    const CURLMcode code = curl_multi_perform(state.multi, &running);
    if (code != CURLM_OK) {
      Reply reply = state.fail(Failure::kTransient, curl_multi_strerror(code));
      state.end_request();
      return reply;
    }
    int queued = 0;
    while (const CURLMsg* message = curl_multi_info_read(state.multi, &queued)) {
      if (message->msg == CURLMSG_DONE) {
        return state.finish(message->data.result);
      }
    }
    // Rounded up: sleep through the rest of the last millisecond instead of spinning.
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    if (wait_ms <= 0 || left <= 0) {
      return std::nullopt;
    }
    curl_multi_poll(state.multi, nullptr, 0, static_cast<int>(left), nullptr);
  }
}

void Client::cancel() {
  if (busy()) {
    state_->end_request();
  }
}

}  // namespace cairn::http_client
