import { ChangingFile } from '../host/changing-file.js'
import { timingSafeEqual } from '../host/crypto.js'
import { AuditError } from '../errors.js'
import { sha256 } from '../event/sha256.js'
import { API_TOKEN_READER, type Authenticator, bearerOf, wrongToken } from './authentication.js'

interface NamedToken {
  readonly name: string
  readonly hash: Buffer
}

const LONGEST_NAME = 256

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
  const known = await ChangingFile.open(file, {
    parse: (text) => parseTokens(file, text),
    unusable: (why, cause) => unusable(file, why, cause),
    what: 'the list of tokens',
  })
  return {
    async authenticate(request) {
      const given = sha256(bearerOf(request))
      const tokens = await known.current()
      // All of them, so that the time does not tell which.
      const [found] = tokens.filter(({ hash }) => timingSafeEqual(hash, given))
      if (found === undefined) throw wrongToken()
      return { actorId: found.name, actorType: 'user' }
    },
  }
}

function parseTokens(file: string, text: string): readonly NamedToken[] {
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
