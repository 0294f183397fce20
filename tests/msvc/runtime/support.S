/* SPDX-License-Identifier: MIT */
/* Calls that compilers make with rules of their own: a stack of more than a page is touched page by
 * page, a cookie compared, the target of an indirect call asked about (here: any will do). And what
 * the loader is told of cookies and of Control Flow Guard. */
  .text
  .globl __chkstk, __security_check_cookie, guard_check, guard_dispatch
#if defined(__x86_64__)
__chkstk: /* rax: bytes; no register is changed */
  pushq %r10
  pushq %r11
  leaq 24(%rsp), %r10
  movq %rax, %r11
1:
  subq $4096, %r10
  orl $0, (%r10)
  subq $4096, %r11
  ja 1b
  popq %r11
  popq %r10
  ret
__security_check_cookie: /* rcx */
  cmpq __security_cookie(%rip), %rcx
  jne 1f
  ret
1:
  movl $2, %ecx
  int $0x29
guard_check: /* rcx */
  ret
guard_dispatch: /* rax */
  jmpq *%rax
#else
__chkstk: /* x15: bytes / 16; none but x16 and x17 are changed */
  lsl x16, x15, #4
  mov x17, sp
1:
  sub x17, x17, #4096
  ldr xzr, [x17]
  subs x16, x16, #4096
  b.hi 1b
  ret
__security_check_cookie: /* x0 */
  adrp x16, __security_cookie
  ldr x16, [x16, :lo12:__security_cookie]
  cmp x0, x16
  b.ne 1f
  ret
1:
  mov w0, #2
  brk #0xF003
guard_check: /* x15 */
  ret
guard_dispatch:
  br x15
#endif

  .globl _fltused, __security_cookie, __guard_check_icall_fptr, __guard_dispatch_icall_fptr
  .globl _load_config_used
  .data
  .p2align 3
_fltused:
  .quad 0
__security_cookie:
  .quad 0x2B992DDFA232 /* the number that the loader replaces */

  .section .00cfg, "dr"
  .p2align 3
__guard_check_icall_fptr: /* the loader puts its own functions here */
  .quad guard_check
__guard_dispatch_icall_fptr:
  .quad guard_dispatch

/* An IMAGE_LOAD_CONFIG_DIRECTORY64, as far as the linker has something to say. */
  .section .rdata, "dr"
  .p2align 3
_load_config_used:
  .long 192
  .zero 84
  .quad __security_cookie
  .zero 16
  .quad __guard_check_icall_fptr, __guard_dispatch_icall_fptr
  .quad __guard_fids_table, __guard_fids_count
  .long __guard_flags
  .zero 12
  .quad __guard_iat_table, __guard_iat_count
  .quad __guard_longjmp_table, __guard_longjmp_count
