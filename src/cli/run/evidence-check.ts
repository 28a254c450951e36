import type { Command } from 'commander'
import { JSON } from '../../host/globals.js'
import { visible, visibleJson, visibleLines } from '../../host/visible.js'
import { type BundleReport, checkBundle } from '../../query/bundle/check-bundle.js'
import type { Trust } from '../../verify/trust.js'
import { AuditError } from '../../errors.js'
import { type Flags, formatOf } from '../read-flags.js'
import { trustFrom } from './verify-input.js'

const EXIT_FINDINGS = 1
const EXIT_NOT_CHECKED = 2

/** Checks a bundle, and says what was found on standard output. @returns the exit code */
export async function checkEvidence(directory: string, flags: Flags, command: Command): Promise<number> {
  const format = formatOf(command, flags, ['table', 'json'])
  try {
    const trust = await trustFrom(flags['trust'] as string | undefined)
    const report = await checkBundle(directory, trust)
    process.stdout.write(format === 'table' ? readable(report, trust) : asJson(report))
    return report.findings.length > 0 ? EXIT_FINDINGS : 0
  } catch (error) {
    // What could not be checked must not look like a finding.
    if (!(error instanceof AuditError)) throw error
    process.stderr.write(`${visible(error.message)}\n${visible(error.remedy)}\n`)
    return EXIT_NOT_CHECKED
  }
}

function asJson({ manifest, ...report }: BundleReport): string {
  const { incident, made_at, verification } = manifest
  return visibleJson(`${JSON.stringify({ incident, made_at, verification, ...report }, undefined, 2)}\n`)
}

function readable(report: BundleReport, trust: Trust): string {
  const { manifest, findings, proven, enrolled, unsigned } = report
  const { verification } = manifest
  const atTheTime = Object.entries(verification.findings).map(([code, count]) => `${count} ${code}`)
  return visibleLines([
    ...findings.map(({ code, message }) => `${code}: ${message}`),
    `incident   ${manifest.incident}`,
    `made       ${manifest.made_at} by ${manifest.made_by}`,
    `signed     ${signatureOf(report)}`,
    `rows       ${proven} proven${trust.enrolment.length > 0 ? `, ${enrolled} of them in enrolled chains` : ''}, ${unsigned} unsigned`,
    ...(trust.enrolment.length === 0
      ? ['           nothing says that the chains are the operator’s: give a trust file with enrolment keys']
      : []),
    `trail      when it was made: ${verification.result}${atTheTime.length > 0 ? ` (${atTheTime.join(', ')})` : ''}; a statement of its maker, which this check cannot repeat`,
    `findings   ${findings.length === 0 ? 'none' : findings.length}`,
    '',
  ])
}

function signatureOf({ signedBy, isUnchecked }: BundleReport): string {
  if (signedBy.length > 0) return `by ${signedBy.join(', ')}`
  return isUnchecked ? 'yes, and not checked: the trust file has no evidence key' : 'no'
}
