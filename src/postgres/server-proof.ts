import type { HealthFinding } from '../contract/sink.js'
import { AuditError } from '../errors.js'

/** What the server asked for before it let us in. */
export type Asked = 'nothing' | 'cleartext' | 'md5' | 'scram'

/** What is known of whose server it is, when somebody is let in. */
export interface Entrance {
  /** Over a socket of this machine, or its loopback: nobody is on the path. */
  readonly isLocal: boolean
  /** By TLS, its certificate was verified against a CA and the host's name. */
  readonly isVerified: boolean
  readonly asked: Asked
  /** By SCRAM, it has shown that it knows the password as well. */
  readonly knowsPassword: boolean
  /** We have a password for it. */
  readonly hasPassword: boolean
}

const REMEDY =
  'Use DATABASE_URL with ?sslmode=verify-full (and sslrootcert=/path/ca.pem for a CA of your own), or have the server ask for scram-sha-256 (password_encryption, and pg_hba.conf).'

/** Whether somebody on the path could answer in the place of the server, and give receipts. */
function isAnybodys({ isLocal, isVerified, knowsPassword }: Entrance): boolean {
  return !isLocal && !isVerified && !knowsPassword
}

/**
 * A server that has our password does not let us in without asking for it; one that begins SCRAM ends it.
 *
 * @throws AuditError `AUDIT_SESSION`
 */
export function refuseStranger(entrance: Entrance): void {
  const { asked, hasPassword } = entrance
  if (!isAnybodys(entrance) || !hasPassword) return
  if (asked === 'cleartext' || asked === 'md5') return
  const problem =
    asked === 'nothing'
      ? 'the server lets us in over the network without asking for the password that is configured: it may be another one'
      : 'the server lets us in over the network without having shown that it knows the password: it may be another one'
  throw new AuditError('AUDIT_SESSION', problem, { field: 'databaseUrl', remedy: REMEDY })
}

/** @param isProduction what is a warning elsewhere is an error there */
export function entranceFindings(
  entrance: Entrance,
  isProduction = process.env.NODE_ENV === 'production',
): readonly HealthFinding[] {
  if (!isAnybodys(entrance)) return []
  const how =
    entrance.asked === 'nothing' ? 'asks for no password' : `asks for the password by ${entrance.asked}`
  return [
    {
      level: isProduction ? 'error' : 'warning',
      check: 'server',
      message: `nothing shows whose server it is: over the network, without TLS that is verified, it ${how}; whoever is on the path could confirm rows that are not stored. ${REMEDY}`,
    },
  ]
}
