# A guest that sends its first boot module to the first serial port, byte by byte, and then does what
# the first letter of its command line says: q - leaves the emulator with the second letter as status,
# r - resets, anything else - halts for good. Entered by PVH (32-bit, paging off, EBX = start info).
    .section .note.pvh, "a", @note
    .long 4, 4, 18
    .asciz "Xen"
    .long start

    .text
    .code32
    .globl start
start:
    mov 16(%ebx), %edi
    mov (%edi), %esi
    mov 8(%edi), %ecx
    jecxz finished
    mov $0x3fd, %edx
next:
    in (%dx), %al
    test $0x20, %al
    jz next
    mov $0x3f8, %edx
    lodsb
    out %al, (%dx)
    mov $0x3fd, %edx
    loop next
finished:
    mov 24(%ebx), %esi
    lodsb
    cmp $'q', %al
    je quit
    cmp $'r', %al
    je reset
halt:
    hlt
    jmp halt
quit:
    lodsb
    out %al, $0xf4
    jmp halt
reset:
    lidt no_table
    int3
no_table:
    .word 0
    .long 0
