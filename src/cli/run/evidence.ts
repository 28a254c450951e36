import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { evidenceKeyName } from '../../chain/chain-key.js'
import { isKeyName, NoteSigner } from '../../chain/note-key.js'
import { AuditError } from '../../errors.js'
import { Outcome } from '../../event/vocabulary.js'
import { describeFilter, parseFilter } from '../../query/filter.js'
import { settledFilter } from '../../query/export/export-file.js'
import { filterOf, type Flags } from '../read-flags.js'
import { checkEvidence } from './evidence-check.js'
import { makeBundle } from './evidence-bundle.js'
import { logName } from './keys-create.js'
import { refuseExistingDirectory } from './output-directory.js'
import { tellRetired } from './retired-window.js'
import { withTrail } from './read-session.js'
import { snapshotOf } from './verify-database.js'
import { anchorsFrom, trailsOf, trustAndHash } from './verify-input.js'

const EXIT_FINDINGS = 1
/** A title, not a report. */
const LONGEST_INCIDENT = 200

export async function run(flags: Flags, command: Command): Promise<void> {
  const text = (name: string): string | undefined => flags[name] as string | undefined
  const bundle = text('check')
  const filter = filterOf(flags)
  if (bundle !== undefined) {
    const others = ['incident', 'out', 'key', 'anchors', ...Object.keys(filter)]
    if (others.some((name) => flags[name] !== undefined))
      command.error('--check goes with --trust and --format only')
    process.exitCode = await checkEvidence(bundle, flags, command)
    return
  }
  const { trust: given, sha256: trustSha256 } = await trustAndHash(text('trust'))
  const [incident, directory] = [text('incident')?.trim(), text('out')]
  if (incident === undefined || incident === '' || incident.length > LONGEST_INCIDENT) {
    command.error(
      `--incident NAME is required: what the bundle is about, in at most ${LONGEST_INCIDENT} characters`,
    )
  }
  if (directory === undefined) command.error('--out DIRECTORY is required: the directory to make')
  if (Object.keys(filter).length === 0)
    command.error('a filter is required, such as --credential or --execution-id')
  const settled = settledFilter(filter)
  const described = describeFilter(parseFilter(settled))
  const signer = await signerOf(text('key'), text('origin'), text('databaseUrl'), command)
  await refuseExistingDirectory(directory)
  const { anchors } = await anchorsFrom(text('anchors'))
  await withTrail(flags, async ({ trail, settings, record }) => {
    const trust = { ...given, trails: trailsOf(given, settings.trail) }
    const reading = { what: 'evidence', filter: described } as const
    await record(reading, Outcome.Started)
    try {
      const made = await makeBundle({
        trail,
        open: () => snapshotOf(settings, trust.trails),
        incident,
        directory,
        filter: settled,
        trust,
        trustSha256,
        anchors,
        signer,
        // Before the directory has its name.
        onMade: (sha256, rows) => record({ ...reading, rows, sha256 }),
      })
      process.stdout.write(made.text)
      await tellRetired(trail, parseFilter(settled), undefined)
      if (made.hasFindings) process.exitCode = EXIT_FINDINGS
    } catch (error) {
      // How it ended is a row, too. Where that cannot be written either, the first error is the one to look at.
      await record(reading, Outcome.Other).catch(() => {})
      throw error
    }
  })
}

async function signerOf(
  path: string | undefined,
  origin: string | undefined,
  databaseUrl: string | undefined,
  command: Command,
): Promise<NoteSigner | undefined> {
  if (path === undefined) return undefined
  const log = await logName(origin, databaseUrl)
  if (log === undefined || !isKeyName(log)) {
    return command.error('--key needs the log that it is of: use --origin, or set NOETL_SECRET_AUDIT_ORIGIN')
  }
  const pem = await readFile(path, 'utf8').catch((cause: unknown) => {
    const code = String((cause as { code?: unknown }).code)
    throw new AuditError('AUDIT_INVALID_OPTION', `the key ${path} cannot be read (${code})`, {
      field: 'key',
      cause,
    })
  })
  try {
    return new NoteSigner(evidenceKeyName(log), pem)
  } catch (error) {
    if (!(error instanceof AuditError)) throw error
    throw new AuditError('AUDIT_INVALID_OPTION', `the key ${path}: ${error.reason}`, { field: 'key' })
  }
}
