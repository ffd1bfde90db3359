#include "tools/serve/figures.h"

#ifdef CAIRN_TOOLS_METRICS

namespace cairn::tools {

Figures::Figures(engine::Store& store, const engine::sync::Receiver& receiver, bool open)
    : metrics_(store, receiver, CAIRN_VERSION_TEXT), open_(open) {}

}  // namespace cairn::tools

#endif
