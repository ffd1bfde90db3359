#include "engine/reader/lost_staging_notice.h"

#include <string>

namespace cairn::engine {

void LostStagingNotice::look(const ReadReport& report) {
  const bool lost = !report.owner.held && !report.staging_gone.empty() && !report.log.clean;
  if (lost && !told_) {
    write_log(hooks_, LogLevel::kWarning, Code::kOk,
              "a process that was killed left updates in " + report.staging_gone +
                  ", which cannot be seen from here: what is read may lack them");
  }
  told_ = lost;
}

}  // namespace cairn::engine
