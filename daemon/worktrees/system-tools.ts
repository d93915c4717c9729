/**
 * The environment for find, stat, xargs and tar. Where they are not GNU's their options are BSD's, and then it must be
 * the system's own that are found: a Mac's PATH may begin with Homebrew's GNU ones, whose `stat -f` describes file
 * systems. Their tar packs what is there, not also a file `._x` for the extended attributes of x.
 */
export function systemTools(
  env: Readonly<Record<string, string>>,
  platform: NodeJS.Platform = process.platform,
): Readonly<Record<string, string>> {
  if (platform === 'linux') return env
  return { ...env, PATH: `/usr/bin:/bin:${env.PATH ?? ''}`, COPYFILE_DISABLE: '1' }
}
