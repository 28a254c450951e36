import { JSON } from '../../host/globals.js'
import { generateKeyPairSync } from '../../host/crypto.js'
import { visibleLines } from '../../host/visible.js'
import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { enrolmentKeyName, evidenceKeyName, logNameFor } from '../../chain/chain-key.js'
import { isKeyName, NoteSigner } from '../../chain/note-key.js'
import { resolveOptions } from '../../options/resolve.js'
import { retentionKeyName } from '../../verify/retention-note.js'
import { verifierKeyName } from '../../verify/state/verifier-key.js'
import { program, word } from './next-steps.js'

interface CreateFlags {
  readonly origin?: string
  readonly databaseUrl?: string
  readonly out?: string
  readonly retention?: boolean
  readonly evidence?: boolean
  readonly verifier?: boolean
}

export async function run(
  { origin, databaseUrl, out, retention = false, evidence = false, verifier = false }: CreateFlags,
  command: Command,
): Promise<void> {
  if (out === undefined) command.error('--out FILE is required: the file for the private key')
  const log = await logName(origin, databaseUrl)
  if (log === undefined)
    command.error(
      'no log is given: use --origin, or set NOETL_SECRET_AUDIT_ORIGIN, or DATABASE_URL to name it after the database',
    )
  if (!isKeyName(log)) {
    command.error(
      `the origin (--origin, NOETL_SECRET_AUDIT_ORIGIN) must not contain spaces, plus signs or control characters; got ${JSON.stringify(log)}`,
    )
  }
  const { privateKey } = generateKeyPairSync('ed25519')
  const asked = [retention && 'retention', evidence && 'evidence', verifier && 'verifier'].filter(isPurpose)
  if (asked.length > 1)
    command.error(`--${asked.join(' and --')} are ${asked.length === 2 ? 'two' : 'three'} keys`)
  const [purpose = 'enrolment'] = asked
  const name = KEY_NAMES[purpose](log)
  const { verifierKey } = new NoteSigner(name, privateKey)
  const line = `${purpose} ${verifierKey}\n`
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  if (out === '-') {
    process.stdout.write(pem)
    process.stderr.write(line)
    return
  }
  await writePrivate(out, pem)
  process.stdout.write(line)
  if (purpose !== 'enrolment') return
  process.stderr.write(
    visibleLines([
      'Next, start the services with the private key, and begin the trust file of the auditors with the public one:',
      `  NOETL_SECRET_AUDIT_ENROLMENT_KEY_FILE=${word(out)} node --import otel-audit/register app.js`,
      `  ${program()} trust init --out audit.trust --enrolment ${word(verifierKey)}`,
      '',
    ]),
  )
}

const KEY_NAMES = {
  enrolment: enrolmentKeyName,
  evidence: evidenceKeyName,
  retention: retentionKeyName,
  verifier: verifierKeyName,
}

function isPurpose(asked: string | false): asked is keyof typeof KEY_NAMES {
  return asked !== false
}

/** The log that is named, or that the database is named after. */
export async function logName(
  origin: string | undefined,
  databaseUrl: string | undefined,
): Promise<string | undefined> {
  const settings = resolveOptions({ origin, databaseUrl }, process.env)
  if (settings.origin !== undefined) return settings.origin
  if (settings.databaseUrl === undefined) return undefined
  const url = typeof settings.databaseUrl === 'string' ? settings.databaseUrl : await settings.databaseUrl()
  const database = URL.canParse(url) ? decodeURIComponent(new URL(url).pathname.slice(1)) : ''
  return database === '' ? undefined : logNameFor(database)
}

/** Never over something that is there: it may be the only copy of a key. */
async function writePrivate(path: string, pem: string): Promise<void> {
  try {
    await writeFile(path, pem, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    const code = String((error as { code?: unknown }).code)
    const problem = `the private key cannot be written to ${path} (${code})`
    throw new Error(
      code === 'EEXIST'
        ? `${problem}: an existing file is never overwritten, use another name`
        : `${problem}: name a file in an existing directory that this user may write to`,
      { cause: error },
    )
  }
}
