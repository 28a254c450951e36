import { hash } from '../host/crypto.js'

const BYTES = 32

/**
 * SHA-256: 32 bytes.
 *
 * By way of a string ("binary" is Latin-1): asked for a Buffer, Node 20 takes 2.0 µs for 65 to 300 bytes; so it takes 0.9.
 */
export function sha256(data: string | Uint8Array): Buffer {
  const digest = hash('sha256', data, 'binary')
  const bytes = Buffer.allocUnsafe(BYTES)
  for (let i = 0; i < BYTES; i++) bytes[i] = digest.charCodeAt(i)
  return bytes
}
