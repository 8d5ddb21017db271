/** A command in surroundings like those of a container that is told `read_only`, `cap_drop: ALL` and `no-new-privileges`. */
import { spawnSync, type SpawnOptions } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

export interface Confinement {
  /** The folder that stands at /app. */
  app: string
  uid: number
  gid: number
  /** Where a directory may be made. */
  directory: string
  /** Program and arguments, run in /app. */
  args: readonly string[]
}

export interface ConfinedCommand {
  file: string
  args: string[]
  options: SpawnOptions
  env: Record<string, string>
  /** What this machine, or who we are on it, does not allow. */
  unchecked: string[]
}

/**
 * A root of its own in a mount namespace: everything of this machine, read-only, with the app at /app and one place to write,
 * which TMPDIR names (/tmp itself may hold this checkout).
 */
const CONFINE = `
  set -e
  root=$1; app=$2; uid=$3; gid=$4; shift 4
  mount -t tmpfs -o size=1m none "$root"
  for path in /*; do
    case $path in /app|/scratch) continue;; esac
    if [ -L "$path" ]; then cp -a "$path" "$root$path"
    elif [ -d "$path" ]; then
      mkdir "$root$path"
      mount --rbind "$path" "$root$path"
      case $path in /proc|/dev|/sys) ;; *) mount -o remount,bind,ro "$root$path";; esac
    fi
  done
  mkdir "$root/app" "$root/scratch"
  mount --bind "$app" "$root/app"
  mount -o remount,bind,ro "$root/app"
  mount -t tmpfs -o size=64m,mode=1777,noexec,nosuid,nodev none "$root/scratch"
  mount -o remount,ro "$root"
  exec chroot "$root" setpriv --reuid="$uid" --regid="$gid" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \\
    sh -c 'cd /app && ! touch /app/x 2>/dev/null && ! touch /x 2>/dev/null && exec "$@"' sh "$@"`

const NAMESPACE = ['--mount', '--propagation', 'private']

export function asInContainer({ app, uid, gid, directory, args }: Confinement): ConfinedCommand {
  const isRoot = process.getuid?.() === 0
  const plain = { file: args[0]!, args: args.slice(1), env: {} }
  if (!isRoot) {
    return { ...plain, options: { cwd: app }, unchecked: ['its user id, and a read-only file system: that takes root'] }
  }
  if (spawnSync(args[0]!, ['--version'], { uid, gid }).status !== 0) {
    return { ...plain, options: { cwd: app }, unchecked: ['its user id: others may not enter this checkout'] }
  }
  if (spawnSync('unshare', [...NAMESPACE, 'sh', '-c', 'mount -t tmpfs none /mnt && setpriv --version']).status !== 0) {
    return {
      ...plain,
      options: { cwd: app, uid, gid },
      unchecked: ['a read-only file system: no mount namespaces here'],
    }
  }
  const root = join(directory, 'root')
  mkdirSync(root, { recursive: true })
  const confine = [...NAMESPACE, 'sh', '-c', CONFINE, 'sh', root, app, String(uid), String(gid)]
  return { file: 'unshare', args: [...confine, ...args], options: {}, env: { TMPDIR: '/scratch' }, unchecked: [] }
}
