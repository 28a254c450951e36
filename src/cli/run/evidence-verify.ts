import { join } from 'node:path'
import { firstIdOf, lastIdOf } from '../../event/snowflake.js'
import type { Snapshot } from '../../postgres/read/snapshot.js'
import { STATED_WITHIN_MS } from '../../query/coverage.js'
import { parseTime } from '../../query/time.js'
import type { Anchors } from '../../verify/anchors.js'
import type { Finding } from '../../verify/finding.js'
import type { IdRange } from '../../verify/source.js'
import type { Trust } from '../../verify/trust.js'
import { verify } from '../../verify/verify.js'
import type { Context, ContextWindow } from './evidence-context.js'
import { ExportCheck } from './export-check.js'
import { Progress } from './progress.js'
import { type ReportSummary, VerifyOutput } from './verify-output.js'
import { watchedRows } from './watched-rows.js'

const HOUR_MS = 3_600_000
/** Findings that the report names one by one. */
const MOST_NAMED = 1000

interface EvidenceRequest {
  readonly directory: string
  readonly trust: Trust
  readonly anchors: Anchors
  readonly window: ContextWindow | null
  readonly context: Context
}

interface NamedFinding {
  readonly code: string
  readonly message: string
  readonly chain?: string | undefined
  readonly block?: number | undefined
  readonly auditId?: string | undefined
}

/** Verifies the chains, and the rows of the incident and around it; holds the export against them; gathers the context. */
export async function verifyForEvidence(
  reader: Snapshot,
  { directory, trust, anchors, window, context }: EvidenceRequest,
): Promise<{ readonly report: ReportSummary & { readonly found: readonly NamedFinding[] } }> {
  const exported = await ExportCheck.open(join(directory, 'rows.ndjson.manifest.json'))
  exported.addAnchors(anchors)
  const found: Finding[] = await exported.checkFile(reader)
  const progress = new Progress('rows')
  let done = 0
  const report = await verify(
    watchedRows(reader, (row) => {
      exported.addRow(row)
      context.add(row)
    }),
    {
      trust,
      anchors,
      selection: { chain: undefined, ids: around(exported.ids, window) },
      onFinding: (finding) => found.push(finding),
      onProgress: ({ step, done: now }) => {
        if (step !== 'rows') return
        progress.add(now - done)
        done = now
      },
    },
  )
  progress.end()
  const inRows = exported.findings()
  found.push(...inRows)
  const ofTheExport = found.filter(({ code }) => code.startsWith('export-'))
  const findings = new Map([...ofTheExport.map(({ code }) => [code, 1] as const), ...report.findings])
  const summary = new VerifyOutput('json', reader.now).summary({ ...report, findings })
  return { report: { ...summary, found: found.slice(0, MOST_NAMED).map(named) } }
}

/** From the last time that the processes had stated their coverage before the window. */
function around(ids: IdRange, window: ContextWindow | null): IdRange {
  if (window === null) return ids
  const [from = 0, to = 0] = [parseTime(window.from, 0), parseTime(window.to, 0)]
  const first = firstIdOf(Math.floor(from / 1000) - STATED_WITHIN_MS - HOUR_MS)
  const last = lastIdOf(Math.ceil(to / 1000) + HOUR_MS)
  return { first: first < ids.first ? first : ids.first, last: last > ids.last ? last : ids.last }
}

function named({ code, message, chain, block, auditId }: Finding): NamedFinding {
  return { code, message, chain, block, auditId: auditId?.toString() }
}
