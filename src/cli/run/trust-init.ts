import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { AuditError } from '../../errors.js'
import { visible } from '../../host/visible.js'
import { type Beginning, beginTrust } from '../../verify/begin-trust.js'
import type { Finding } from '../../verify/finding.js'
import { NO_TRUST, parseTrust } from '../../verify/trust.js'
import { verifyChains } from '../../verify/verify.js'
import { program, word } from './next-steps.js'
import { type DatabaseFlags, readSettingsOf, snapshotOf } from './verify-database.js'
import { trailsOf } from './verify-input.js'

interface InitFlags extends DatabaseFlags {
  readonly out?: string
  readonly force?: boolean
  readonly origin?: string
  readonly enrolment: readonly string[]
}

/** Most remarks that are said one by one. */
const MOST_SAID = 20

export async function run(flags: InitFlags, command: Command): Promise<void> {
  const { out, force = false, origin, enrolment } = flags
  if (out === undefined)
    command.error('--out FILE is required: the trust file to write, "-" for standard output')
  // A name or a key that is none is found before anything is read.
  parseTrust([...(origin === undefined ? [] : [`origin ${origin}`]), ...keyLines(enrolment)].join('\n'))
  const begun = await beginningOf(flags)
  const { text, pinned, remarks } = beginTrust(begun, { origin, enrolment, at: new Date() })
  if (out === '-') process.stdout.write(text)
  else await writeTrust(out, text, force)
  for (const remark of remarks.slice(0, MOST_SAID)) process.stderr.write(`otel-audit: ${visible(remark)}\n`)
  if (remarks.length > MOST_SAID)
    process.stderr.write(`otel-audit: … and ${remarks.length - MOST_SAID} more\n`)
  process.stderr.write(`otel-audit: ${pinned} chains are pinned, as they are now\n`)
  if (out !== '-')
    process.stderr.write(
      `Next, check the trail against it:\n  ${program()} verify --trust ${visible(word(out))}\n`,
    )
}

async function beginningOf(flags: InitFlags): Promise<Beginning> {
  const settings = readSettingsOf(flags)
  const trails = trailsOf(NO_TRUST, settings.trail)
  const { enrolment } = parseTrust(keyLines(flags.enrolment).join('\n'))
  const reader = await snapshotOf(settings, trails)
  try {
    const hidden = (await reader.alterations()).find(({ hidesRows }) => hidesRows)
    if (hidden !== undefined) throw new AuditError('AUDIT_READ_FAILED', hidden.what)
    let findings = 0
    // Chains from before there was a key are pinned: that is what this is for.
    const count = ({ code }: Finding): void => void (findings += code === 'chain-unenrolled' ? 0 : 1)
    const trust = { ...NO_TRUST, trails, enrolment }
    const chains = await verifyChains(reader, { trust, onFinding: count })
    if (findings > 0) {
      process.stderr.write(
        `otel-audit: there are ${findings} findings in the blocks as they are: see what \`otel-audit verify\` says of them\n`,
      )
    }
    const { system } = await reader.place()
    return { trail: await reader.trail(), system, chains }
  } finally {
    await reader.close()
  }
}

const keyLines = (keys: readonly string[]): string[] => keys.map((key) => `enrolment ${key}`)

async function writeTrust(path: string, text: string, force: boolean): Promise<void> {
  try {
    await writeFile(path, text, { flag: force ? 'w' : 'wx', mode: 0o644 })
  } catch (cause) {
    const code = String((cause as { code?: unknown }).code)
    const problem = `the trust file cannot be written to ${path} (${code})`
    const remedy =
      code === 'EEXIST'
        ? 'It is what an auditor knows, and is not overwritten. Use another name, or --force to take what is there now as it is.'
        : 'Name a file in an existing directory that this user may write to.'
    throw new AuditError('AUDIT_EVIDENCE_MALFORMED', problem, { cause, remedy })
  }
}
