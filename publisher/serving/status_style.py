"""The look of the status page: one style sheet, and the policy that lets a browser use nothing else."""

import base64
import hashlib

STYLE = """
:root{color-scheme:light dark;
--paper:#f7f6f3;--card:#fff;--ink:#1c1d20;--soft:#5c6068;--line:#e3e1dc;--code:#f1efea;
--good:#13744a;--warn:#8a5500;--bad:#b3231b;--none:#5c6068;--key:#2b5fb3;--spent:#a9bcdb}
@media(prefers-color-scheme:dark){:root{
--paper:#131416;--card:#1c1d20;--ink:#ececea;--soft:#a2a6ad;--line:#313338;--code:#292b2f;
--good:#62cf98;--warn:#edb250;--bad:#ff8b7f;--none:#a2a6ad;--key:#86b0f5;--spent:#3e5377}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:50rem;padding:2rem 1rem 3rem;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
-webkit-text-size-adjust:100%;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
h1,h2,h3,p,dl,dd,ol,ul{margin:0;padding:0}
ol,ul{list-style:none}
code{font:.875em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
.soft,small,dt{color:var(--soft)}
small,dt{font-size:.8125rem}
dt{overflow-wrap:normal}
time{white-space:nowrap}
svg{display:block;overflow:visible}
section{margin-top:1rem;padding:1.5rem;background:var(--card);border:1px solid var(--line);border-radius:14px}
h2{margin-bottom:1rem;font-size:1.0625rem;font-weight:650;letter-spacing:-.01em}
h2 small{margin-left:.375rem;font-weight:400;letter-spacing:0}
header{padding:0 .25rem .25rem}
header p{font-weight:500}
.fresh,.good{--tone:var(--good)}
.due,.warning{--tone:var(--warn)}
.stale,.invalid,.error{--tone:var(--bad)}
.empty,.info{--tone:var(--none)}
.shape{flex:none;color:var(--tone)}
.shape .ink{stroke:var(--card)}
.shape *{stroke-linecap:round;stroke-linejoin:round}
.glance{display:flex;gap:1.25rem;align-items:center}
h1{font-size:2.5rem;font-weight:700;line-height:1.1;letter-spacing:-.025em;color:var(--tone)}
.glance p{margin-top:.25rem}
.served{margin-top:1.25rem;padding-top:1.25rem;
border-top:1px solid var(--line)}
.withheld b{color:var(--bad)}
.watch{margin-top:1.25rem}
.watch dl{display:grid;grid-template-columns:repeat(4,1fr);margin-top:.375rem;line-height:1.35}
.watch dl div{padding-right:.5rem}
.watch dd{font-size:.9375rem}
.quarter{opacity:.24}.here{opacity:1}
.q0{fill:var(--good)}.q1{fill:var(--warn)}.q2{fill:var(--bad)}.q3{fill:var(--none)}
.pin{fill:var(--ink);stroke:var(--card);stroke-width:3}
.findings li+li{margin-top:1.25rem;padding-top:1.25rem;border-top:1px solid var(--line)}
.findings li{display:flex;gap:.875rem}
.findings .shape{margin-top:.125rem}
h3{font-size:1rem;font-weight:600;line-height:1.5}
h3 b{color:var(--tone);font-weight:600}
.remedy{margin-top:.375rem}
.option{display:inline-block;max-width:100%;padding:0 .3em;background:var(--code);border-radius:4px}
.keys li,.axis{display:grid;grid-template-columns:21rem 1fr;gap:0 1.5rem;align-items:center}
.keys li{padding:.625rem 0;border-top:1px solid var(--line)}
.keys p{line-height:1.4}
.more{padding-top:.75rem}
.axis svg{grid-column:2}
.axis text{fill:var(--soft);font-size:12px}
.today text{fill:var(--ink);font-weight:600}
.track{fill:var(--line)}.spent{fill:var(--spent)}.left{fill:var(--key)}
.open{stroke:var(--key);stroke-width:3;stroke-dasharray:3 5}
.gone{fill:none;stroke:var(--soft);stroke-width:1.5}
.now{stroke:var(--ink);stroke-width:1.5}
.mark{stroke:var(--soft)}
details{margin-top:.75rem}
summary{width:fit-content;font-size:.8125rem;color:var(--soft);cursor:pointer}
table{width:100%;margin-top:.75rem;border-collapse:collapse;font-size:.8125rem;line-height:1.4}
th,td{padding:.375rem .75rem .375rem 0;border-top:1px solid var(--line);text-align:left;vertical-align:top}
th{font-weight:400}
table code{font-size:.75rem}
thead th{border:0;color:var(--soft);overflow-wrap:normal}
td time{white-space:normal}
td{min-width:5.5rem;overflow-wrap:normal}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,13rem),1fr));gap:1rem 1.5rem}
.whole{grid-column:1/-1}
.facts dd small{display:block}
.since{margin-top:1.25rem;padding-top:1.25rem;border-top:1px solid var(--line)}
.since small{margin-left:.25rem;font-weight:400}
.counts{display:grid;grid-template-columns:repeat(auto-fit,minmax(5.5rem,1fr));gap:.75rem;margin-top:.75rem}
.counts dd{font-size:1.25rem;font-weight:600;line-height:1.2}
footer{margin-top:1.25rem;padding:0 .25rem;font-size:.8125rem;color:var(--soft)}
@media(max-width:42rem){body{padding:1.25rem .75rem 2rem}section{padding:1.125rem}
.glance{gap:.875rem}h1{font-size:2rem}.glance>.shape{width:48px;height:48px}
.keys li,.axis{grid-template-columns:minmax(0,1fr)}.axis svg{grid-column:1}.keys li svg{margin-top:.25rem}
.watch dt{font-size:.75rem}.watch dd{font-size:.8125rem}.watch dl div{padding-right:.25rem}}
"""
"""The one style sheet of the page. Text keeps a contrast of 4.5 to its ground (WCAG 2.2, 1.4.3)."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; "
    "img-src data:; "  # the tab's icon lies in the page: without it a browser asks for /favicon.ico
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page's header `Content-Security-Policy`: no script, no style but `STYLE`, nothing fetched."""
