// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/export/page.hpp"

namespace dv::exporter {
namespace {

constexpr char kStyle[] = R"(
body{font:16px/1.4 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222;background:#fff}
h1,h2{margin:0;overflow-wrap:anywhere}h2{font-size:1.1em}p{margin:.3em 0}
section{margin:1.5em 0}.wave{display:block;width:100%;height:3em;background:#f2f3f5}
.wave path{fill:#4752c4;pointer-events:none}.spurt{fill:#dde0fa;cursor:pointer}.lost{fill:#d83c3e}
audio{display:block;width:100%;margin-top:.3em}button{font:inherit}li{overflow-wrap:anywhere}
@media(prefers-color-scheme:dark){body{color:#eee;background:#1e1f22}.wave{background:#2b2d31}
.spurt{fill:#3c4270}.wave path{fill:#949cf7}}
)";

// The policy names this text by its hash: change both together (tests/pipelines/export.py checks).
constexpr char kScript[] = R"(
const players=[...document.querySelectorAll('audio')],now=document.getElementById('now'),play=document.getElementById('play');
let position=0,started=null;
const fits=a=>position>=+a.dataset.from&&position<+a.dataset.to;
const place=a=>{if(fits(a)){a.currentTime=position-a.dataset.from;a.play();}else a.pause();};
const show=()=>{now.textContent=new Date(position*1000).toISOString().slice(11,19);};
const seek=t=>{position=t;show();if(started!==null){started=performance.now()-t*1000;players.forEach(place);}};
const stop=()=>{started=null;players.forEach(a=>a.pause());play.textContent='Play all';};
play.addEventListener('click',()=>{if(started!==null){stop();return;}started=performance.now()-position*1000;play.textContent='Pause';players.forEach(place);});
document.querySelectorAll('[data-at]').forEach(e=>e.addEventListener('click',()=>{if(started===null){position=+e.dataset.at;play.click();}seek(+e.dataset.at);}));
setInterval(()=>{if(started===null)return;position=(performance.now()-started)/1000;show();players.forEach(a=>{if(fits(a)&&a.paused)place(a);});},250);
)";
constexpr char kScriptHash[] = "ettfxPwFq2jNfceT+5LrnqUE80w1hI7hqcK2qCLPMt8=";

}  // namespace

std::string page_head(const std::string &title) {
  return std::string("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">") +
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
         "'unsafe-inline'; media-src 'self' file:; script-src 'sha256-" +
         kScriptHash + "'\"><meta name=\"viewport\" content=\"width=device-width\"><title>" +
         title + "</title><style>" + kStyle + "</style></head><body>\n";
}

std::string page_tail() { return std::string("<script>") + kScript + "</script></body></html>\n"; }

}  // namespace dv::exporter
