import { createHash, createHmac, pbkdf2Sync, randomBytes } from '../../host/crypto.js'

/** As the server's own default (`scram_iterations`). */
const ITERATIONS = 4096
const SALT_BYTES = 16
const HASH_BYTES = 32

/**
 * What Postgres stores of a password (RFC 5803), made here: so neither the statement nor the server's log has the password.
 *
 * @param password ASCII: others would have to be normalised first (SASLprep)
 */
export function scramVerifier(password: string, salt: Buffer = randomBytes(SALT_BYTES)): string {
  const salted = pbkdf2Sync(password, salt, ITERATIONS, HASH_BYTES, 'sha256')
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest()
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64')
  const serverKey = hmac('Server Key').toString('base64')
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`
}
