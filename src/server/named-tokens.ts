import { performance } from '../host/globals.js'
import { timingSafeEqual } from '../host/crypto.js'
import { readFile, stat } from 'node:fs/promises'
import { AuditError } from '../errors.js'
import { sha256 } from '../event/sha256.js'
import { diag } from '../host/diagnostics.js'
import { errorText } from '../host/error-text.js'
import { API_TOKEN_READER, type Authenticator, bearerOf, wrongToken } from './authentication.js'

interface NamedToken {
  readonly name: string
  readonly hash: Buffer
}

/** How often the file is looked at, in ms. */
const LOOK_EVERY_MS = 1000
const LONGEST_NAME = 256
const LARGEST_FILE = 1024 * 1024

/**
 * Admits the holders of the tokens in a file, each under a name of its own: lines `name:sha256`, the SHA-256 of the token
 * in hex. Empty lines and those that begin with `#` do not count; a name may stand on several lines, while its token is
 * being changed.
 *
 * The file is read again when it has changed. One that cannot be read then, or has a wrong line, changes nothing, and is
 * logged: a half-written file must not lock every reader out. What is to be revoked is a line less.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION` when it cannot be read, or has a wrong line
 */
export async function namedTokens(file: string): Promise<Authenticator> {
  let version = await versionOf(file)
  let tokens = await readTokens(file)
  let lookedAt = performance.now()
  const refresh = async (): Promise<void> => {
    if (performance.now() - lookedAt < LOOK_EVERY_MS) return
    lookedAt = performance.now()
    try {
      const found = await versionOf(file)
      if (found === version) return
      version = found
      tokens = await readTokens(file)
    } catch (error) {
      diag.error(`otel-audit: ${errorText(error)}; the tokens that were read before stay valid`)
    }
  }
  return {
    async authenticate(request) {
      const given = sha256(bearerOf(request))
      await refresh()
      // All of them, so that the time does not tell which.
      const [found] = tokens.filter(({ hash }) => timingSafeEqual(hash, given))
      if (found === undefined) throw wrongToken()
      return { actorId: found.name, actorType: 'user' }
    },
  }
}

async function versionOf(file: string): Promise<string> {
  try {
    const { mtimeMs, ctimeMs, size, ino } = await stat(file)
    return [mtimeMs, ctimeMs, size, ino].join()
  } catch (cause) {
    throw unusable(file, `it cannot be read (${String((cause as { code?: unknown }).code)})`, cause)
  }
}

async function readTokens(file: string): Promise<readonly NamedToken[]> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw unusable(file, `it cannot be read (${String((cause as { code?: unknown }).code)})`, cause)
  })
  if (text.length > LARGEST_FILE) throw unusable(file, 'it is larger than 1 MiB')
  const tokens: NamedToken[] = []
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const [, name = '', hash = ''] =
      /^([^\s:\p{C}](?:[^:\p{C}]*[^\s:\p{C}])?):([0-9a-f]{64})$/iu.exec(line) ?? []
    const at = `line ${index + 1}`
    if (name === '' || name.length > LONGEST_NAME) {
      throw unusable(file, `${at} must be a name, a colon, and the SHA-256 of the token in hex`)
    }
    if (name === API_TOKEN_READER) throw unusable(file, `${at}: the name ${name} is that of the shared token`)
    const token = { name, hash: Buffer.from(hash, 'hex') }
    if (tokens.some((other) => other.name !== name && other.hash.equals(token.hash))) {
      throw unusable(file, `${at}: another name has the same token`)
    }
    tokens.push(token)
  }
  return tokens
}

/** Never quotes a line: it may have a token in the place of its hash. */
function unusable(file: string, why: string, cause?: unknown): AuditError {
  return new AuditError('AUDIT_INVALID_OPTION', `the file of tokens ${file}: ${why}`, {
    field: 'tokensFile',
    ...(cause !== undefined && { cause }),
  })
}
