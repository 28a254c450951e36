import { performance, wallClock } from '../../host/globals.js'
import { visible } from '../../host/visible.js'
import { INT8_MAX } from '../../event/int8.js'
import { firstIdOf } from '../../event/snowflake.js'
import type { Command } from 'commander'
import { AuditError } from '../../errors.js'
import { resolveVerifyOptions } from '../../options/resolve.js'
import { AUDIT_ID } from '../../query/parameter.js'
import { parseTime } from '../../query/time.js'
import type { IdRange } from '../../verify/source.js'
import { type FindingCode, sumOfCounts } from '../../verify/finding.js'
import { verify } from '../../verify/verify.js'
import { ExportCheck } from './export-check.js'
import { checkProofFile, writeProofFile } from './proof-file.js'
import { archivesOf, verifyArchiveAlone } from './verify-archive.js'
import { readSettingsOf, snapshotOf } from './verify-database.js'
import { writeMetrics } from './verify-metrics.js'
import { anchorsFrom, trailsOf, trustFrom } from './verify-input.js'
import { type OnwardsFlags, verifyAgain } from './verify-onwards.js'
import { type VerifyFormat, VerifyOutput } from './verify-output.js'
import { tellServer } from './verify-server.js'

interface VerifyFlags extends OnwardsFlags {
  readonly from?: string
  readonly to?: string
  readonly chain?: string
  readonly row?: string
  readonly proof?: string
  readonly manifest?: string
  readonly archive?: string
  readonly withArchive?: readonly string[]
  readonly format?: string
}

const EXIT_FINDINGS = 1
const EXIT_NOT_CHECKED = 2

/** Whatever goes wrong here means that nothing was verified: it must not look like a finding. */
export async function run(flags: VerifyFlags, command: Command): Promise<void> {
  try {
    process.exitCode = await verifyBy(flags, command)
  } catch (error) {
    if (!(error instanceof AuditError)) throw error
    process.stderr.write(`${visible(error.message)}\n${visible(error.remedy)}\n`)
    process.exitCode = EXIT_NOT_CHECKED
  }
  // A round that a signal has ended has sessions and a thread still, and its state is not written any more.
  if (flags.watch !== undefined) process.exit()
}

async function verifyBy(flags: VerifyFlags, command: Command): Promise<number> {
  if (isAsked(flags, command)) return verifyAgain(flags, formatOf(flags, command), command)
  const given = await trustFrom(flags.trust)
  if (flags.proof !== undefined && flags.row === undefined) {
    const format = flags.format === undefined ? 'table' : formatOf(flags, command)
    return (await checkProofFile(flags.proof, given, format)) ? 0 : EXIT_FINDINGS
  }
  if (flags.archive !== undefined) {
    const { archive } = flags
    refuseOthers(flags, command)
    const asked = {
      format: formatOf(flags, command),
      chain: chainOf(flags, command),
      ids: rangeOf(flags, command),
    }
    const { everySignature } = flags
    return verifyArchiveAlone(archive, given, { ...asked, everySignature, anchors: flags.anchors })
  }
  if (flags.row !== undefined && flags.proof === undefined) command.error('--row needs --proof FILE')
  if (flags.row !== undefined && !AUDIT_ID.test(flags.row)) command.error('--row takes an audit id')
  const chain = chainOf(flags, command)
  const range = rangeOf(flags, command)
  const format = formatOf(flags, command)
  const settings = readSettingsOf(flags)
  const trust = { ...given, trails: trailsOf(given, settings.trail) }
  const { anchors, lines } = await anchorsFrom(flags.anchors)
  const exported = await exportOf(flags, command)
  exported?.addAnchors(anchors)
  const ids = exported?.ids ?? range
  const began = performance.now()
  const reader = await snapshotOf(settings, trust.trails)
  try {
    if (flags.row !== undefined && flags.proof !== undefined) {
      await writeProofFile(reader, BigInt(flags.row), flags.proof)
      return 0
    }
    await tellServer(reader, trust)
    const output = new VerifyOutput(format, reader.now)
    const inFile = (await exported?.checkFile(reader)) ?? []
    for (const finding of inFile) output.finding(finding)
    const report = await verify(exported?.watching(reader) ?? reader, {
      trust,
      anchors,
      selection: { chain, ids },
      everySignature: flags.everySignature,
      onFinding: (finding) => output.finding(finding),
      onProgress: (progress) => output.progress(progress),
    })
    const inRows = exported?.findings() ?? []
    for (const finding of inRows) output.finding(finding)
    const inArchives =
      flags.withArchive === undefined
        ? new Map<FindingCode, number>()
        : await archivesOf(flags.withArchive, trust, report, output)
    const inExport = [...inFile, ...inRows].map(({ code }) => new Map([[code, 1]]))
    const findings = sumOfCounts([...inExport, inArchives, report.findings])
    output.report({ ...report, findings }, lines)
    if (flags.metrics !== undefined) {
      const verified = {
        findings: [...findings.values()].reduce((sum, count) => sum + count, 0),
        rows: report.rows.proven,
        seconds: (performance.now() - began) / 1000,
        isSuccess: findings.size === 0 && report.unread.count === 0,
      }
      await writeMetrics(flags.metrics, verified, wallClock())
    }
    if (findings.size > 0) return EXIT_FINDINGS
    return report.unread.count > 0 ? EXIT_NOT_CHECKED : 0
  } finally {
    await reader.close()
  }
}

/** Whether it is to go on from a state, or to be done again and again. */
function isAsked(flags: VerifyFlags, command: Command): boolean {
  const { state, watch, record, from, to, chain, row, proof, manifest, archive, withArchive } = flags
  const isPart = [from, to, chain, row, proof, manifest, archive, withArchive].some(
    (flag) => flag !== undefined,
  )
  if (!isPart) {
    const { verifyState } = resolveVerifyOptions({}, process.env)
    return [state, watch, record, verifyState].some((flag) => flag !== undefined)
  }
  if (state === undefined && watch === undefined && record === undefined) return false
  return command.error(
    '--state, --watch and --record are of the whole trail: combine them with --trust, --anchors, --metrics and --every-signature only',
  )
}

function refuseOthers({ row, proof, manifest, withArchive }: VerifyFlags, command: Command): void {
  if ([row, proof, manifest, withArchive].every((flag) => flag === undefined)) return
  command.error(
    '--archive verifies files alone: combine it with --trust, --anchors, --from, --to and --chain only',
  )
}

async function exportOf(flags: VerifyFlags, command: Command): Promise<ExportCheck | undefined> {
  const { manifest, from, to, chain, row } = flags
  if (manifest === undefined) return undefined
  if ([from, to, chain, row].some((flag) => flag !== undefined)) {
    command.error('--manifest already selects the rows: combine it with --trust and --anchors only')
  }
  return ExportCheck.open(manifest)
}

function chainOf({ chain }: VerifyFlags, command: Command): string | undefined {
  if (chain === undefined) return undefined
  const id = chain.replaceAll('-', '').toLowerCase()
  if (!/^[0-9a-f]{32}$/.test(id)) command.error('--chain takes 32 hex digits')
  return id
}

function formatOf({ format }: VerifyFlags, command: Command): VerifyFormat {
  if (format === undefined) return process.stdout.isTTY ? 'table' : 'ndjson'
  if (format !== 'table' && format !== 'json' && format !== 'ndjson') {
    command.error(`--format must be table, json or ndjson, not ${format}`)
  }
  return format
}

/** Ids have their millisecond in them, so a time is a range of ids: from it on, and up to it, as for a query. */
function rangeOf({ from, to }: VerifyFlags, command: Command): IdRange | undefined {
  if (from === undefined && to === undefined) return undefined
  const first = from === undefined ? 0n : (idOf(from) ?? idOfTime(from))
  const end = to === undefined ? undefined : idOfTime(to)
  const last = to === undefined ? INT8_MAX : (idOf(to) ?? (end === undefined ? undefined : end - 1n))
  if (first === undefined || last === undefined) {
    command.error('--from and --to take an audit id, or a time: RFC 3339, a date, or how long ago (-24h, 7d)')
  }
  if (first > last) command.error('--from is after --to, or the window has no time in it')
  return { first, last }
}

function idOf(text: string): bigint | undefined {
  return /^\d{10,19}$/.test(text) || /^\d{1,3}$/.test(text) ? BigInt(text) : undefined
}

/** The smallest id that is not before it. */
function idOfTime(text: string): bigint | undefined {
  const micros = parseTime(text, wallClock())
  return micros === undefined ? undefined : firstIdOf(Math.ceil(micros / 1000))
}
