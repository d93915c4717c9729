import { access } from 'node:fs/promises'

/** Whether systemd runs this machine: its directory is there where it does, and only there (sd_booted(3)). */
export function hasSystemd(): Promise<boolean> {
  return access('/run/systemd/system').then(
    () => true,
    () => false,
  )
}
