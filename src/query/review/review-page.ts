import { hash } from '../../host/crypto.js'
import { visible } from '../../host/visible.js'
import type { ReviewedPair } from './access-review.js'
import { isUncovered } from './coverage-tally.js'
import type { ReviewManifest } from './review-manifest.js'

/** Rows that one table shows. A page that nobody can print is not a page: everything is in the CSV. */
const MOST_SHOWN = 2000

const STYLE = `
:root { color-scheme: light; font: 10pt/1.4 system-ui, sans-serif; color: #16181d; background: #fff }
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2rem 0 .4rem; break-after: avoid }
p, li { max-width: 48rem } .quiet { color: #545b66 }
table { border-collapse: collapse; width: 100%; margin: .4rem 0 }
th, td { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid #d5d9e0; overflow-wrap: anywhere }
thead { display: table-header-group } tr { break-inside: avoid } th { font-weight: 600 }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap } .t { white-space: nowrap }
.warn { border-left: .3rem solid #b3261e; padding: .2rem .8rem; background: #fdf1f0 }
.sign td { height: 2.6rem; width: 33% }
@page { margin: 16mm } @media print { body { max-width: none; margin: 0; padding: 0 } }
`

/** A review as one page that prints: no script, nothing from elsewhere, and no text of a row is markup. */
export function reviewPage(manifest: ReviewManifest, pairs: readonly ReviewedPair[]): string {
  const { label, credential, totals } = manifest
  const policy = `default-src 'none'; style-src 'sha256-${hash('sha256', STYLE, 'base64')}'`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="content-security-policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Access review ${text(label)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Access review ${text(label)}</h1>
<p class="quiet">Accesses from ${moment(manifest.from)} up to ${moment(manifest.to)} (exclusive)${credential === '*' ? '' : `, credentials ${text(credential)}`}. Made ${moment(manifest.made_at)} by ${text(manifest.made_by)}.</p>
${warnings(manifest)}
<h2>In figures</h2>
${facts([
  ['Accesses', count(totals.accesses)],
  ['of these denied or failed', count(totals.denied)],
  ['Credentials accessed', count(totals.credentials.accessed)],
  ['of these first seen in this window', count(totals.credentials.first_seen)],
  ['Dormant credentials (accessed before, not in this window)', count(totals.credentials.dormant)],
  ['Pairs of credential and actor', count(totals.pairs)],
  ['Accesses known to have no row', count(totals.lost)],
  ['The trail knows of accesses since', totals.known_from === null ? '–' : moment(totals.known_from)],
])}
${section('Denied or failed', byDenials(pairs), 'No access was denied.')}
${section('First seen in this window', ofStanding(pairs, 'first seen'), 'No actor accessed a credential for the first time.')}
${section('Dormant: accessed before, not in this window', ofStanding(pairs, 'dormant'), 'Every pair that was known was seen again.')}
${coverageOf(manifest)}
${basisOf(manifest)}
<h2>Reviewed</h2>
<table class="sign"><thead><tr><th>Name</th><th>Date</th><th>Signature</th></tr></thead><tbody><tr><td></td><td></td><td></td></tr></tbody></table>
${section('Appendix: every credential and actor', pairs, 'There was no access.')}
</body>
</html>
`
}

function warnings({
  verification,
  totals,
  coverage,
  unsettled,
  retired_before: retired,
  from,
}: ReviewManifest): string {
  const uncovered = coverage.filter(({ state }) => isUncovered(state))
  const { result, findings } = verification
  return [
    ...(result === 'findings'
      ? [
          `The trail does not verify: ${Object.entries(findings)
            .map(([code, count]) => `${count} ${code}`)
            .join(', ')}. Find out why before these figures are relied on (otel-audit verify).`,
        ]
      : []),
    ...(retired !== null
      ? [
          `Rows before ${retired} were retired from this trail: ${retired > from ? 'those of this window are not counted here' : 'whether somebody had access before then is not seen here'}. A review of their archives counts them (otel-audit review --archive).`,
        ]
      : []),
    ...(totals.lost > 0
      ? [`${some(totals.lost, 'access of this window', 'accesses of this window')} known to have no row.`]
      : []),
    ...(uncovered.length > 0
      ? [
          `${some(uncovered.length, 'secret client', 'secret clients')} not fully covered: accesses by such a client may have no row.`,
        ]
      : []),
    ...(unsettled > 0 ? [`${some(unsettled, 'row', 'rows')} not settled yet, and not counted.`] : []),
  ]
    .map((warning) => `<p class="warn">${text(warning)}</p>`)
    .join('\n')
}

function byDenials(pairs: readonly ReviewedPair[]): readonly ReviewedPair[] {
  return pairs.filter(({ denied }) => denied > 0).sort((a, b) => b.denied - a.denied)
}

function ofStanding(pairs: readonly ReviewedPair[], wanted: string): readonly ReviewedPair[] {
  return pairs.filter(({ standing }) => standing === wanted)
}

function section(title: string, pairs: readonly ReviewedPair[], none: string): string {
  const head = `<h2>${text(title)} (${count(pairs.length)})</h2>`
  if (pairs.length === 0) return `${head}\n<p class="quiet">${text(none)}</p>`
  const more = pairs.length - MOST_SHOWN
  return `${head}
<table><thead><tr><th>Credential</th><th>Who</th><th class="n">Accesses</th><th class="n">Denied</th><th>First</th><th>Last</th><th>Standing</th></tr></thead><tbody>
${pairs.slice(0, MOST_SHOWN).map(pairRow).join('\n')}
</tbody></table>${more > 0 ? `\n<p>… and ${count(more)} more, in the CSV.</p>` : ''}`
}

function pairRow(pair: ReviewedPair): string {
  const { actor, actor_kind, first_access, last_access, last_before } = pair
  const who = actor === null ? 'not known' : actor_kind === 'actor' ? actor : `${actor} (${actor_kind})`
  return `<tr><td>${text(pair.credential)}</td><td>${text(who)}</td><td class="n">${count(pair.accesses)}</td><td class="n">${count(pair.denied)}</td><td class="t">${day(first_access)}</td><td class="t">${day(last_access ?? last_before)}</td><td>${text(pair.standing)}</td></tr>`
}

function coverageOf({ coverage }: ReviewManifest): string {
  const head = `<h2>What was covered</h2>`
  if (coverage.length === 0) {
    return `${head}\n<p>No process said how its secret clients are audited: what was recorded is what the services recorded by themselves.</p>`
  }
  const more = coverage.length - MOST_SHOWN
  return `${head}
<p>As the processes stated it in their rows <code>audit_coverage</code>, in the window or the day before. An access by a client that is not_hooked may have no row; one that is observed could not be held back.</p>
<table><thead><tr><th>Service</th><th>Client</th><th>State</th><th class="n">Processes</th><th>Last stated</th><th>Reason</th></tr></thead><tbody>
${coverage
  .slice(0, MOST_SHOWN)
  .map(
    (one) =>
      `<tr><td>${text(one.service_name ?? 'not known')}</td><td>${text(one.client)}</td><td>${text(one.state)}</td><td class="n">${one.processes}</td><td class="t">${day(one.last_stated)}</td><td>${text(one.reason ?? '')}</td></tr>`,
  )
  .join('\n')}
</tbody></table>${more > 0 ? `\n<p>… and ${count(more)} more, in the manifest.</p>` : ''}`
}

function basisOf({ verification, files, ...manifest }: ReviewManifest): string {
  const { rows } = verification
  return `<h2>What this rests on</h2>
${facts([
  ['Trail', manifest.trail],
  readFrom(manifest),
  ['Rows read', count(manifest.rows_read)],
  [
    'Verification of what was read',
    `${verification.result}: ${count(rows.proven)} rows proven, ${count(rows.unsigned)} unsigned, ${count(rows.retired)} retired; ${count(verification.blocks)} blocks of ${count(verification.chains)} chains, ${count(verification.unenrolled)} of them not enrolled`,
  ],
  [
    'Trust file',
    verification.trust_sha256 === null
      ? 'none was given: nothing says that the chains are the operator’s'
      : `SHA-256 ${verification.trust_sha256}`,
  ],
  ...files.map(({ name, sha256 }): [string, string] => [name, `SHA-256 ${sha256}`]),
  ['Made with', `otel-audit ${manifest.version}`],
])}
<p>The rows were counted from the very columns that were verified, ${manifest.archive === null ? 'of one snapshot' : 'of the files of the archives'}. That this review was made is a row of the trail, unless it was made with --unrecorded, or without a database. It does not show accesses that were never recorded, nor what was done with a secret afterwards, and it is a review only when somebody has read it.</p>`
}

function readFrom({
  archive,
  mark,
  system,
  table,
}: Omit<ReviewManifest, 'verification' | 'files'>): [string, string] {
  if (archive === null)
    return ['Settled below transaction', `${mark} of server ${system ?? 'not known'}, table ${table}`]
  const { archives, place, ids_before, last_manifest } = archive
  const many = `${count(archives)} of ${place}, of rows with ids before ${ids_before}`
  return ['Archives', `${many}; the last manifest has the SHA-256 ${last_manifest}`]
}

function facts(entries: readonly (readonly [string, string])[]): string {
  const rows = entries.map(([name, value]) => `<tr><th>${text(name)}</th><td>${text(value)}</td></tr>`)
  return `<table><tbody>\n${rows.join('\n')}\n</tbody></table>`
}

/** `2026-07-01 00:00:00Z` */
function moment(time: string): string {
  return text(`${time.slice(0, 19).replace('T', ' ')}Z`)
}

function count(number: number): string {
  return number.toLocaleString('en-US')
}

/** `1 row is`, `2 rows are` */
function some(number: number, one: string, more: string): string {
  return number === 1 ? `1 ${one} is` : `${count(number)} ${more} are`
}

function day(time: string | null): string {
  return time === null ? '–' : text(time.slice(0, 16).replace('T', ' '))
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Of somebody else: it stays text, and shows what would be invisible or turn its direction. */
function text(value: string): string {
  return visible(value).replaceAll(/[&<>"']/g, (letter) => ENTITIES[letter] ?? letter)
}
