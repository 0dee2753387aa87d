/**
 * What a program needs to run at all: readable under an allow-list for files that blocks, whatever it lists (the
 * loader, the C library and what it reads at start, harmless devices). The program itself is added by the compiler.
 */
export const RUNTIME_PATHS: readonly (readonly [glob: string, perms: string])[] = [
  ['/{usr/,}lib{,32,64,x32}/{,**}', 'rm'],
  ['/etc/ld.so.{cache,preload,conf}', 'r'],
  ['/etc/ld.so.conf.d/{,**}', 'r'],
  ['/etc/{locale.alias,localtime,nsswitch.conf}', 'r'],
  ['/usr/share/{locale,zoneinfo,i18n}/{,**}', 'r'],
  ['/dev/{null,zero,full}', 'rw'],
  ['/dev/{random,urandom}', 'r'],
  ['/dev/{tty,ptmx,pts/*}', 'rw'],
  ['/proc/{,*/}{stat,status,maps,meminfo,cpuinfo,auxv}', 'r'],
  ['/proc/sys/{kernel,vm}/{,**}', 'r'],
  ['/sys/devices/system/cpu/{,**}', 'r'],
];
