import type { Command } from 'commander'

interface CreateFlags {
  readonly origin?: string
  readonly databaseUrl?: string
  readonly out?: string
}

/** Adds `otel-audit keys`. */
export function addKeysCommand(program: Command): void {
  const keys = program
    .command('keys')
    .description('Keys that say of chains of blocks that they are the operator’s.')
  keys
    .command('create')
    .description(
      'Make an enrolment key. The private key goes to a file that only you can read, the verifier key to standard output.',
    )
    .option(
      '--out <file>',
      'where the private key goes, PKCS#8 in PEM; "-": to standard output, and nothing else does',
    )
    .option(
      '--origin <name>',
      'the log that it is for (default: $NOETL_SECRET_AUDIT_ORIGIN, else otel-audit/<database> of the database URL)',
    )
    .option(
      '--database-url <url>',
      'to name the log after (default: $NOETL_SECRET_AUDIT_DATABASE_URL, else $DATABASE_URL)',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ otel-audit keys create --origin otel-audit/wallet --out enrolment.pem >> audit.trust
  $ otel-audit keys create --origin otel-audit/wallet --out - | vault kv put secret/audit key=-

Give the private key to the services (NOETL_SECRET_AUDIT_ENROLMENT_KEY, or …_FILE), and the line on standard output to
the auditors: it belongs into their trust file. With "--out -" that line goes to standard error.
The private key is kept nowhere else. Exit code: 0 done, 1 failed, 2 usage.`,
    )
    .action(createKey)
}

async function createKey({ origin, databaseUrl, out }: CreateFlags, command: Command): Promise<void> {
  if (out === undefined) command.error('--out FILE is needed: where the private key goes')
  const log = await logName(origin, databaseUrl)
  if (log === undefined)
    command.error(
      'no log is given: use --origin, or set NOETL_SECRET_AUDIT_ORIGIN, or DATABASE_URL to name it after the database',
    )
  const { isKeyName, NoteSigner } = await import('../chain/note-key.js')
  if (!isKeyName(log)) {
    command.error(
      `the origin (--origin, NOETL_SECRET_AUDIT_ORIGIN) may not have spaces, plus signs and control characters; got ${JSON.stringify(log)}`,
    )
  }
  const { enrolmentKeyName } = await import('../chain/chain-key.js')
  const { generateKeyPairSync } = await import('node:crypto')
  const { privateKey } = generateKeyPairSync('ed25519')
  const { verifierKey } = new NoteSigner(enrolmentKeyName(log), privateKey)
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  if (out === '-') {
    process.stdout.write(pem)
    process.stderr.write(`enrolment ${verifierKey}\n`)
    return
  }
  await writePrivate(out, pem)
  process.stdout.write(`enrolment ${verifierKey}\n`)
}

async function logName(
  origin: string | undefined,
  databaseUrl: string | undefined,
): Promise<string | undefined> {
  const { resolveOptions } = await import('../options/resolve.js')
  const settings = resolveOptions({ origin, databaseUrl }, process.env)
  if (settings.origin !== undefined) return settings.origin
  if (settings.databaseUrl === undefined) return undefined
  const { logNameFor } = await import('../chain/chain-key.js')
  const database = URL.canParse(settings.databaseUrl)
    ? decodeURIComponent(new URL(settings.databaseUrl).pathname.slice(1))
    : ''
  return database === '' ? undefined : logNameFor(database)
}

/** Never over something that is there: it may be the only copy of a key. */
async function writePrivate(path: string, pem: string): Promise<void> {
  const { writeFile } = await import('node:fs/promises')
  try {
    await writeFile(path, pem, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    const code = String((error as { code?: unknown }).code)
    const problem = `the private key cannot be written to ${path} (${code})`
    throw new Error(
      code === 'EEXIST'
        ? `${problem}: a file that is there is never overwritten, use another name`
        : `${problem}: name a file in a directory that is there, and that this user may write to`,
      { cause: error },
    )
  }
}
