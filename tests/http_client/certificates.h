// Certificates as the openssl command makes them, in a directory of their own.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/support/scripted_server.h"

namespace cairn::tests {

class Authority {
 public:
  Authority(std::string directory, const std::string& name) : directory_(std::move(directory)), name_(name) {
    run("req -x509 " + kNewKey + " -keyout " + name + ".key -out " + name + ".pem -days 2 -subj '/CN=" + name + "'");
  }
  /// `names`: of a subjectAltName; empty: without one. `days` below 0: expired.
  ServerTls issue(const std::string& file, const std::string& names, int days = 2,
                  const std::string& subject = "server") const {
    run("req " + kNewKey + " -keyout " + file + ".key -out " + file + ".csr -subj '/CN=" + subject + "'");
    run("x509 -req -in " + file + ".csr -CA " + name_ + ".pem -CAkey " + name_ + ".key -set_serial 7 -days " +
        std::to_string(days) + " -out " + file + ".pem" +
        (names.empty() ? "" : " -extfile " + extensions(file, names)));
    return {.certificate_file = path(file + ".pem"), .key_file = path(file + ".key")};
  }
  [[nodiscard]] std::string certificate() const { return path(name_ + ".pem"); }

 private:
  inline static const std::string kNewKey = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

  [[nodiscard]] std::string path(const std::string& file) const { return directory_ + "/" + file; }
  [[nodiscard]] std::string extensions(const std::string& file, const std::string& names) const {
    shell("echo 'subjectAltName=" + names + "' > " + file + ".ext");
    return file + ".ext";
  }
  void run(const std::string& command) const { shell("openssl " + command + " >>openssl.log 2>&1"); }
  void shell(const std::string& command) const {
    ASSERT_EQ(std::system(("cd '" + directory_ + "' && " + command).c_str()), 0) << command;
  }

  std::string directory_;
  std::string name_;
};

}  // namespace cairn::tests
