"""System status lists of S7 (SZL): what their entries consist of, as lines for declared().

A list is asked for by an id, whose low byte is its number, and an index. Names are Wireshark's, which come from the German
manual; the lists that S7-300 and S7-400 answer engineering stations with are here, other entries are bytes.

System Software for S7-300/400, System and Standard Functions (Siemens A5E02789976), chapter 34.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Per kind of entry: "kind prefix |", the lists that have it as "extracts:number" or "extracts:number.index", all hexadecimal and
# each extract one digit (two for those of other modules), then fields in
# their order: bytes ("le": the least first), name, kind, meaning. What follows "|" are the bits of the field before, the lowest first; "-" for a bit or
# bytes without a name, "n-m:name" for several. A name that begins with "." has its whole name but for "s7comm.szl".
ENTRIES = """
list00 0000.0000 | 0:00
    2 szl_id uintx a list that the module has
list11 xy11.0001 | 01:11
    2 index uintx what is identified: 1 module, 6 basic hardware, 7 basic firmware
    20 anz string order number
    2 bgtyp uintx type of the module
    2 ausbg uint version of the module
    2 ausbe uint version of the description
list12 xy12.0x00 | 01:12
    2 charac uintx a characteristic of the module
list13 0013.0000 | 01:13.0
    2 index uintx a memory area: 1 work memory, 2 integrated load memory, 3 plugged load memory
    2 code uintx type of memory
    4 size uint bytes in all
    2 mode uint how the memory is used | vol_mem nvol_mem mixed_mem cd_sep cd_tog
    2 granu uintx always 0
    4 ber1 uint bytes of the first part
    4 belegt1 uint bytes in use there
    4 block1 uint largest free block there
    4 ber2 uint bytes of the second part
    4 belegt2 uint bytes in use there
    4 block2 uint largest free block there
list15 xy15.000x | 01:15
    2 index uintx type of block
    2 maxanz uint most blocks of the type
    2 maxlng uint kilobytes of the largest
    4 maxabl uint bytes of local data of the largest
list14 xy14.000x | 01:14
    2 index uintx an area of memory: 1 inputs, 2 outputs, 3 flags, 4 timers, 5 counters
    2 code uintx type of the area
    2 quantity uint how much there is of it
    2 reman uint how much of it keeps its values
list22 xy22.00xx | 2:22
    20 info bytes what the interrupt's block is started with
    2 al1 uintx how an interrupt is handled | evpd iel isia - ioil ioilbt eidbl
    2 al2 uintx what happens when nothing handles it | lis giee gism iod
    4 al3 uintx interrupts that were thrown away
list74 xy74.0000 | 01:19 01:74
    2 cpu_led_id uintx a light of the module | 0-7:id 8-10:rackno 11-11:cputype
    1 led_on uint the light is on
    1 led_blink uint how it blinks: 1 slowly, 2 fast
list24 0424.0000 | 14:24.0
    2 ereig uintx event of the transition of mode
    1 ae uintx always 0xff
    1 bzu_id uintx modes: 0 to 4 stop, 5 to 7 start, 8 run, 10 hold, 13 defective | 0-3:req 4-7:pre
    4 res bytes reserved
    1 anlinfo1 uintx about the last start
    1 anlinfo2 uintx how the last start was done
    1 anlinfo3 uintx starts that are allowed
    1 anlinfo4 uintx the last operation, or what starts the module when power comes back
    8 time bytes time of the transition
list91 0091.0000 | 0123459ae:91
    2 adr1 uintx where the module is: rack, or the bus and station
    2 adr2 uintx where the module is: slot and submodule
    2 logadr uint its first logical address
    2 exptype uintx type that is configured
    2 acttype uintx type that is there
    2 res1 uintx reserved
    2 eastat uintx state of the module | moderror modexists modnotav moddisabl staterr cirbusy res modlocseg 8-15:dataid
    2 berbgbr uintx area of its addresses | 0-2:width bit3_res 4-6:areaid bit7_res
list91d 0091.0000 | d:91
    2 adr1 uintx where the module is: rack, or the bus and station
    2 adr2 uintx where the module is: slot and submodule
    2 logadr uint its first logical address
    2 exptype uintx type that is configured
    2 acttype uintx type that is there
    2 res1_0d uint slot of the interface
    2 eastat uintx state of the module | moderror modexists modnotav moddisabl staterr cirbusy res modlocseg 8-15:dataid
    2 berbgbr uintx area of its addresses | 0-2:width bit3_res 4-6:areaid bit7_res
list91c 0091.0000 | c:91 4c:91
    2 adr1 uintx where the module is: rack, or the bus and station
    2 adr2 uintx where the module is: slot and submodule
    2 logadr uint its first logical address
    2 exptype uintx type that is configured
    2 acttype uintx type that is there
    2 res1_0c_4c_4d uintx reserved
    2 eastat uintx state of the module | moderror modexists modnotav moddisabl staterr cirbusy res modlocseg 8-15:dataid
    2 berbgbr uintx area of its addresses | 0-2:width bit3_res 4-6:areaid bit7_res
list92 0092.xxxx | 0123456:92 404246:92
    1 status_0 uintx state of stations 1 to 8
    1 status_1 uintx state of stations 9 to 16
    1 status_2 uintx state of stations 17 to 24
    1 status_3 uintx state of stations 25 to 32
    1 status_4 uintx state of stations 33 to 40
    1 status_5 uintx state of stations 41 to 48
    1 status_6 uintx state of stations 49 to 56
    1 status_7 uintx state of stations 57 to 64
    1 status_8 uintx state of stations 65 to 72
    1 status_9 uintx state of stations 73 to 80
    1 status_10 uintx state of stations 81 to 88
    1 status_11 uintx state of stations 89 to 96
    1 status_12 uintx state of stations 97 to 104
    1 status_13 uintx state of stations 105 to 112
    1 status_14 uintx state of stations 113 to 120
    1 status_15 uintx state of stations 121 to 128
list94 0094.xxxx | 01267:94
    2 index uintx bus or system: 0 the central rack, 1 to 32 PROFIBUS, 100 to 115 PROFINET
    1 - uintx state of stations | status_0
list96 xx96.xxxx | 6c:96
    2 - uintx logical address of the module | 0-14:logadr.adr logadr.area
    2 system uint bus or system of the module
    4 api uintx application profile
    2 station uint station, or the rack
    2 slot uint slot
    2 subslot uint subslot
    2 offset uint offset in the user's addresses
    2 solltyp1 uintx type that is configured
    2 solltyp2 uintx type that is configured
    2 solltyp3 uint type that is configured
    4 solltyp4_5 uintx type that is configured
    4 solltyp6_7 uintx type that is configured
    2 expactid uintx whether what is there is what was configured
    2 reserve1 uintx reserved
    2 eastat uintx state of the module | moddisrupt modexists modnotav moddisabl statproblem ciractive res modlocseg modmaintreq modmaintdem
    2 berbgbr uintx area of its addresses | 0-2:width bit3_res 4-6:areaid bit7_res
    10 reserve2 bytes reserved
name0 001c |
    2 000x.index uintx what is named
    32 000x.res bytes reserved
name1 001c |
    2 000x.index uintx what is named: 1 the system
    24 0001.name string name of the system
    8 000x.res bytes reserved
name2 001c |
    2 000x.index uintx what is named: 2 the module
    24 0002.name string name of the module
    8 000x.res bytes reserved
name3 001c |
    2 000x.index uintx what is named: 3 the plant
    32 0003.tag string designation of the plant
name4 001c |
    2 000x.index uintx what is named: 4 the copyright
    26 0004.copyright string copyright
    6 000x.res bytes reserved
name5 001c |
    2 000x.index uintx what is named: 5 the serial number of the module
    24 0005.serialn string serial number of the module
    8 000x.res bytes reserved
name7 001c |
    2 000x.index uintx what is named: 7 the type of the module
    32 0007.cputypname string type of the module
name8 001c |
    2 000x.index uintx what is named: 8 the serial number of the memory card
    32 0008.snmcmmc string serial number of the memory card
name9 001c |
    2 000x.index uintx what is named: 9 the manufacturer and profile
    2 0009.manufacturer_id uintx manufacturer
    2 0009.profile_id uintx profile
    2 0009.profile_spec_typ uintx type within the profile
    26 000x.res bytes reserved
name10 001c |
    2 000x.index uintx what is named: 10 the maker of a rebranded module
    26 000a.oem_copyright_string string copyright of a rebranded module
    2 000a.oem_id uintx maker of a rebranded module
    4 000a.oem_add_id uintx addition to its maker
name11 001c |
    2 000x.index uintx what is named: 11 the location
    32 000b.loc_id string location of the module
unit1 0131.0001 | 1:31.1
    2 index uintx unit of communication: 1 in general
    2 pdu uint bytes of the largest PDU
    2 anz uint most connections
    4 mpi_bps uintx highest rate of the MPI
    4 kbus_bps uintx highest rate of the communication bus
    26 res bytes reserved
unit2 0131.0002 | 1:31.2
    2 index uintx unit of communication: 2 test and installation
    1 funkt_0 uintx test functions that there are | bit0_res block_stat var_stat outp_istack outp_bstack outp_lstack time_meas force_sel
    1 funkt_1 uintx test functions that there are | mod_var force breakp exit_hold mem_res dis_job en_job del_job
    1 funkt_2 uintx test functions that there are | rd_job_list rd_job repl_job block_stat_v2 bit4_res bit5_res flash_led bit7_res
    1 funkt_3 uintx test functions that there are
    1 funkt_4 uintx test functions that there are
    1 funkt_5 uintx test functions that there are
    6 aseg bytes data of the system
    6 eseg bytes data of the system
    1 trgereig_0 uintx events that can trigger | immed sys_trig sys_cp_mcs sys_cp_mce mtrans_rs acode_adr code_adr_a data_adr
    1 trgereig_1 uintx events that can trigger | data_adr_a loc_adr loc_adr_a range_trig bcode_adr bit5_res bit6_res bit7_res
    1 trgereig_2 uintx events that can trigger
    1 trgbed uintx conditions of a trigger
    1 pfad uint paths that can be given
    1 tiefe uint depth of nesting
    1 systrig uintx system triggers
    1 erg_par uintx results that can be had
    2 erg_pat_1 uintx results that can be had
    2 erg_pat_2 uintx results that can be had
    2 force uint variables that can be forced
    2 time uintx longest time that can be measured
    4 res uintx reserved
unit3 0131.0003 | 1:31.3
    2 index uintx unit of communication: 3 operator's functions
    1 funkt_0 uintx functions that there are | read_once write_once init_cycl_read_impl init_cycl_read_expl start_cycl_read stop_cycl_read .0131.0002.funkt_0.clr_cycl_read .0131.0002.funkt_0.bit7_res
    1 funkt_1 uintx functions that there are | bit0_res bit1_res bit2_res bit3_res periph_io inputs .0131.0002.funkt_1.outputs .0131.0002.funkt_1.bit_mem
    1 funkt_2 uintx functions that there are | user_db data_rec bit2_res bit3_res bit4_res bit5_res .0131.0002.funkt_2.bit6_res .0131.0002.funkt_2.s7_counter
    1 funkt_3 uintx functions that there are | s7_timer iec_counter iec_timer hs_counter bit4_res bit5_res .0131.0002.funkt_3.bit6_res .0131.0002.funkt_3.bit7_res
    2 data uint bytes of the largest consistent data
    2 anz uint most jobs that read in cycles
    2 per_min uint shortest cycle
    2 per_max uint longest cycle
    26 res bytes reserved
unit4 0131.0004 | 1:31.4
    2 index uintx unit of communication: 4 management of objects
    1 funkt_0 uintx functions that there are | bit0_res dir_h1 dir_h2 dir_h3 copy chain_list chain_copied delete_list
    1 funkt_1 uintx functions that there are | upl_on_pg asgn_w_chain load_w_chg bit3_res bit4_res bit5_res bit6_res delete_all
    1 funkt_2 uintx functions that there are | load_ram load_eprom save_ram save_eprom save_all compress fw_update set_ram_mode
    1 funkt_3 uintx functions that there are | set_eprom_mode bit1_res bit2_res bit3_res bit4_res bit5_res asgn_par_mod asgn_par_mc
    1 funkt_4 uintx functions that there are | asgn_par_lprog asgn_par_cres asgn_par_res compress ev_mc fw_update_mc bit6_res bit7_res
    1 funkt_5 uintx functions that there are
    1 funkt_6 uintx functions that there are
    1 funkt_7 uintx functions that there are
    1 kop uint most modules that are copied
    1 del uint most modules that are deleted
    1 kett uint most modules that are linked at once
    1 hoch uint most uploads at a time
    1 ver uint largest block that can be moved while the module runs
    25 res bytes reserved
unit5 0131.0005 | 1:31.5
    2 index uintx unit of communication: 5 diagnosis
    1 funkt_0 uintx functions that there are | bit0_res diag_buf sysdiag userdiag vmdstat evaldiagint diagint bit7_res
    1 funkt_1 uintx reserved
    1 funkt_2 uintx reserved
    1 funkt_3 uintx reserved
    1 funkt_4 uintx reserved
    1 funkt_5 uintx reserved
    1 funkt_6 uintx reserved
    1 funkt_7 uintx reserved
    2 anz_sen uint most receivers of messages
    2 anz_ein uint most entries of the diagnostic buffer
    2 anz_mel uint most messages of the process control group
    24 res bytes reserved
unit6 0131.0006 | 1:31.6
    2 index uintx unit of communication: 6 blocks for configured connections
    1 funkt_0 uintx blocks that there are | usend urcv send rcv bsend brcv get put
    1 funkt_1 uintx blocks that there are | print abort initiate start stop resume status ustatus
    1 funkt_2 uintx blocks that there are | pi read write load load_me alarm alarm_8 alarm_8p
    1 funkt_3 uintx blocks that there are | notify ar_send bit2_res bit3_res bit4_res bit5_res bit6_res bit7_res
    1 funkt_4 uintx reserved
    1 funkt_5 uintx reserved
    1 funkt_6 uintx blocks that there are | x_send x_rcv x_get x_put x_abort i_get i_put i_abort
    1 funkt_7 uintx blocks that there are | scan_snd alarm_sq alarm_s alarm_sc en_msg dis_msg control bit7_res
    1 schnell uintx a fast reaction is possible
    1 zugtyp_0 uintx blocks with a fast reaction | usend urcv send rcv bsend brcv get put
    1 zugtyp_1 uintx blocks with a fast reaction | print .0131.0006.zugtyp_1abort initiate start stop resume status ustatus
    1 zugtyp_2 uintx blocks with a fast reaction | pi read write load load_me alarm alarm_8 alarm_8p
    1 zugtyp_3 uintx blocks with a fast reaction | notify ar_send bit2_res bit3_res bit4_res bit5_res bit6_res bit7_res
    1 zugtyp_4 uintx reserved
    1 zugtyp_5 uintx reserved
    1 zugtyp_6 uintx blocks with a fast reaction | x_send x_rcv x_get x_put x_abort i_get i_put i_abort
    1 zugtyp_7 uintx blocks with a fast reaction | scan_snd alarm_sq alarm_s alarm_sc en_msg dis_msg control bit7_res
    1 res1 bytes reserved
    2 max_sd_empf uint bytes of the largest send and receive parameters
    2 max_sd_al8p uint bytes of the largest parameters of alarms
    2 max_inst uint most instances
    2 res2 bytes reserved
    1 verb_proj uintx configured connections are possible
    1 verb_prog uintx programmed connections are possible
    10 res3 bytes reserved
unit7 0131.0007 | 1:31.7
    2 index uintx unit of communication: 7 global data
    1 funkt_0 uintx functions that there are | cyclic gd_snd gd_rcv bit3_res bit4_res bit5_res bit6_res bit7_res
    1 funkt_1 uintx reserved
    1 obj_0 uintx areas that can be exchanged | m pii piq t c db bit6_res bit7_res
    1 obj_1 uintx reserved
    1 kons uint bytes of consistent data
    1 sen uint least rate of sending
    1 rec uint least rate of receiving
    1 time uint time that is watched
    1 proj uint configuration while the module runs is possible
    1 alarm uint alarms are possible
    1 mode uintx over what they are exchanged | pl_mpi comm_bus
    1 kreis uint most circles
    1 sk_1 uint most packets that are sent in a circle
    1 sk_2 uint most packets that are sent
    1 ek_1 uint most packets that are received in a circle
    1 ek_2 uint most packets that are received
    1 len_1 uint bytes of the longest packet
    1 len_2 uint bytes of the longest head of a packet
    1 len_3 uint bytes of the longest head of an object
    19 res bytes reserved
unit8 0131.0008 | 1:31.8
    2 index uintx unit of communication: 8 times of test functions
    2 - uint time that it takes: load of priority 1 | 0-11:last_1 12-15:last_1_tb
    2 - uint time that it takes: load of priority 2 | 0-11:last_2 12-15:last_2_tb
    2 - uint time that it takes: load of priority 3 | 0-11:last_3 12-15:last_3_tb
    2 - uint time that it takes: flags | 0-11:merker 12-15:merker_tb
    2 - uint time that it takes: inputs and outputs | 0-11:ea 12-15:ea_tb
    2 - uint time that it takes: timers and counters | 0-11:tz 12-15:tz_tb
    2 - uint time that it takes: data blocks | 0-11:db 12-15:db_tb
    2 - uint time that it takes: local data | 0-11:ld 12-15:ld_tb
    2 - uint time that it takes: registers | 0-11:reg 12-15:reg_tb
    2 - uint time that it takes: the first line of a block | 0-11:ba_stali1 12-15:ba_stali1_tb
    2 - uint time that it takes: further lines of a block | 0-11:ba_stali2 12-15:ba_stali2_tb
    2 - uint time that it takes: the last line of a block | 0-11:ba_stali3 12-15:ba_stali3_tb
    2 - uint time that it takes: accumulators | 0-11:akku 12-15:akku_tb
    2 - uint time that it takes: addresses | 0-11:address 12-15:address_tb
    2 - uint time that it takes: data block registers | 0-11:dbreg 12-15:dbreg_tb
    8 res bytes reserved
unit9 0131.0009 | 1:31.9
    2 index uintx unit of communication: 9 clock
    1 sync_k uintx synchronisation over the communication bus | neutral slave master
    1 sync_mpi uintx synchronisation over the MPI | neutral slave master
    1 sync_mfi uintx synchronisation over a further interface | neutral slave master
    1 res1 uintx reserved
    2 abw_puf uint error of the clock on battery, in milliseconds a day
    2 abw_5v uint error of the clock in operation, in milliseconds a day
    2 anz_bsz uint counters of hours in operation
    28 res2 bytes reserved
unit16 0131.0010 | 1:31.10
    2 index uintx unit of communication: 16 messages
    1 funk_1 uintx functions that there are | grp_status_msg scan_possible notify_alarm send_arc bit4_res bit5_res bit6_res bit7_res
    1 funk_2 uintx reserved
    1 ber_meld_1 uintx areas whose bits can be reported | pii piq m db bit4_res bit5_res bit6_res bit7_res
    1 ber_meld_2 uintx reserved
    1 ber_zus_1 uintx areas whose values can go with a report | pii piq m db bit4_res bit5_res bit6_res bit7_res
    1 ber_zus_2 uintx reserved
    1 typ_zus_1 uintx types of values that can go with a report | bit byte word dword timer counter array_char bit7_res
    1 typ_zus_2 uintx reserved
    2 .0132.0010.maxanz_arch uint most archives of values
    28 res bytes reserved
state1 0132.0001 | 1:32.1
    2 index uintx state of: 1 communication in general
    2 res_pg uint connections kept for programming devices
    2 res_os uint connections kept for operators
    2 u_pg uint connections of programming devices
    2 u_os uint connections of operators
    2 proj uint connections that are configured
    2 auf uint configured connections that are up
    2 free uint connections that are free
    2 used uint free connections that are in use
    2 last uint load that communication may cause, in percent
    20 res bytes reserved
state2 0132.0002 | 1:32.2
    2 index uintx state of: 2 test and installation
    2 anz uint test jobs that are set up
    36 res bytes reserved
state4 0132.0004 | 1:32.4
    2 index uintx state of: 4 protection
    2 key uint protection level of the key switch: 1 none, 2 against writing, 3 against all
    2 param uint protection level that was configured, 0 without a password
    2 real uint protection level in force
    2 bart_sch uint position of the mode switch: 1 run, 2 run-p, 3 stop, 4 memory reset
    2 crst_wrst uint position of the restart switch
    2 ken_f uintx state of fail-safe operation
    2 ken_rel uintx whether the checksums behind are valid
    2le ken_ver1_hw uintx first checksum of the hardware configuration
    2le ken_ver2_hw uintx second checksum of the hardware configuration
    2le ken_ver1_awp uintx first checksum of the program
    2le ken_ver2_awp uintx second checksum of the program
    16 res bytes reserved
state5 0132.0005 | 1:32.5
    2 index uintx state of: 5 diagnosis
    2 erw uint functions beyond the usual
    2 send uint sending of messages
    2 moeg uint what can be sent
    2 ltmerz uint how messages are made
    30 res bytes reserved
state6 0132.0006 | 1:32.6
    2 index uintx state of: 6 blocks for configured connections
    1 used_0 bytes blocks in use | .0131.0006.funkt_0.usend .0131.0006.funkt_0.urcv .0131.0006.funkt_0.send .0131.0006.funkt_0.rcv .0131.0006.funkt_0.bsend .0131.0006.funkt_0.brcv .0131.0006.funkt_0.get .0131.0006.funkt_0.put
    1 used_1 bytes blocks in use | .0131.0006.funkt_1.print .0131.0006.funkt_1.abort .0131.0006.funkt_1.initiate .0131.0006.funkt_1.start .0131.0006.funkt_1.stop .0131.0006.funkt_1.resume .0131.0006.funkt_1.status .0131.0006.funkt_1.ustatus
    1 used_2 bytes blocks in use | .0131.0006.funkt_2.pi .0131.0006.funkt_2.read .0131.0006.funkt_2.write .0131.0006.funkt_2.load .0131.0006.funkt_2.load_me .0131.0006.funkt_2.alarm .0131.0006.funkt_2.alarm_8 .0131.0006.funkt_2.alarm_8p
    1 used_3 bytes blocks in use | .0131.0006.funkt_3.notify .0131.0006.funkt_3.ar_send .0131.0006.funkt_3.bit2_res .0131.0006.funkt_3.bit3_res .0131.0006.funkt_3.bit4_res .0131.0006.funkt_3.bit5_res .0131.0006.funkt_3.bit6_res .0131.0006.funkt_3.bit7_res
    1 used_4 bytes reserved
    1 used_5 bytes reserved
    1 used_6 bytes blocks in use | .0131.0006.funkt_6.x_send .0131.0006.funkt_6.x_rcv .0131.0006.funkt_6.x_get .0131.0006.funkt_6.x_put .0131.0006.funkt_6.x_abort .0131.0006.funkt_6.i_get .0131.0006.funkt_6.i_put .0131.0006.funkt_6.i_abort
    1 used_7 bytes blocks in use | .0131.0006.funkt_7.scan_snd .0131.0006.funkt_7.alarm_sq .0131.0006.funkt_7.alarm_s .0131.0006.funkt_7.alarm_sc .0131.0006.funkt_7.en_msg .0131.0006.funkt_7.dis_msg .0131.0006.funkt_7.control .0131.0006.funkt_7.bit7_res
    1 anz_schnell uint connections with a fast reaction
    2 anz_inst uint instances
    2 anz_multicast uint blocks that send to several
    25 res bytes reserved
state8 0132.0008 | 1:32.8
    2 index uintx state of: 8 clock
    2 zykl uint cycle of its synchronisation
    2 korr uint its correction
    2 clock0 uint hours of counter 0
    2 clock1 uint hours of counter 1
    2 clock2 uint hours of counter 2
    2 clock3 uint hours of counter 3
    2 clock4 uint hours of counter 4
    2 clock5 uint hours of counter 5
    2 clock6 uint hours of counter 6
    2 clock7 uint hours of counter 7
    8 time bytes its time
    10 res bytes reserved
state11 0132.000b | 1:32.b
    2 index uintx state of: 11 counters of hours
    1 bszl_0 uintx counters that run
    1 bszl_1 uintx counters that run
    1 bszu_0 uintx counters that have overflown
    1 bszu_1 uintx counters that have overflown
    4 clock0 uint hours of counter 0
    4 clock1 uint hours of counter 1
    4 clock2 uint hours of counter 2
    4 clock3 uint hours of counter 3
    4 clock4 uint hours of counter 4
    4 clock5 uint hours of counter 5
    4 clock6 uint hours of counter 6
    4 clock7 uint hours of counter 7
    2 res bytes reserved
state12 0132.000c | 1:32.c
    2 index uintx state of: 12 more counters of hours
    1 bszl_0 uintx counters that run
    1 bszl_1 uintx counters that run
    1 bszu_0 uintx counters that have overflown
    1 bszu_1 uintx counters that have overflown
    4 clock8 uint hours of counter 8
    4 clock9 uint hours of counter 9
    4 clock10 uint hours of counter 10
    4 clock11 uint hours of counter 11
    4 clock12 uint hours of counter 12
    4 clock13 uint hours of counter 13
    4 clock14 uint hours of counter 14
    4 clock15 uint hours of counter 15
    2 res bytes reserved
"""  # fmt: skip
ANY = -1  # of lists whose entries do not depend on the index
EVENTS = "01456789abcde:a0"  # lists of the diagnostic buffer
NAMES = "0123:1c"  # lists of names, whose entries say themselves what they are


def ids(text: str) -> list[int]:
    """The ids of "extracts:number"; extracts of two digits begin with the type of the module."""
    extracts, number = text.split(":")
    width = 2 if extracts.startswith("4") and len(extracts) > 1 else 1
    return [int(extracts[at : at + width] + number, 16) for at in range(0, len(extracts), width)]


def kinds_and_lines() -> tuple[tuple[str, ...], dict[tuple[int, int], str], str]:
    """(kinds of entries, the kind of each list: id and index, the fields as lines for declared)."""
    kinds: list[str] = []
    lists: dict[tuple[int, int], str] = {}
    made: list[str] = []
    prefix, at = "", 0
    for line in filter(None, ENTRIES.splitlines()):  # per line
        if not line.startswith(" "):
            (kind, prefix), numbers = line.split("|")[0].split(), line.split("|")[1].split()
            kinds.append(kind)
            at = 0
            for text in numbers:  # per list
                named_ids, _, index = text.partition(".")
                lists |= {(one, int(index, 16) if index else ANY): kind for one in ids(named_ids)}
            continue
        words, _, bits = line.partition(" | ")
        size, name, stored, meaning = words.split(None, 3)
        order = "le" if size.endswith("le") else ""
        width = int(size.removesuffix("le")) * 8
        if name != "-":
            made.append(f"{named(name, prefix)} {stored} entry:{kinds[-1]} @{at}:{width}{order} {meaning}")
        low = 0
        for bit in bits.split():  # per bit or run of bits
            span, _, inner = bit.rpartition(":")
            first, last = map(int, span.split("-")) if span else (low, low)
            if inner != "-":
                place = f"@{at + width - 1 - last}:{last - first + 1}"
                kind = "uint" if span else "bool"
                whole = named(inner, prefix if name == "-" else f"{prefix}.{name}")
                made.append(f"{whole} {kind} entry:{kinds[-1]} {place} {meaning}: {said(inner)}")
            low = last + 1
        at += width
    return tuple(kinds), lists, "\n".join(made)


def named(name: str, prefix: str) -> str:
    """The whole name of a field."""
    return f"s7comm.szl{name}" if name.startswith(".") else f"s7comm.szl.{prefix}.{name}"


def said(name: str) -> str:
    """What a bit's name says."""
    last = name.rpartition(".")[2]
    return "reserved" if last.endswith("_res") else last.replace("_", " ")


KINDS, LISTS, LINES = kinds_and_lines()


def layouts(kinds: tuple[str, ...]) -> NDArray[np.int64]:
    """int64[lists, 3]: id, index or -1 for all, the place in `kinds` of the list's entries; of names that of the first."""
    made = [(number, index, kinds.index(kind)) for (number, index), kind in LISTS.items()]
    made += [(number, ANY, kinds.index("event")) for number in ids(EVENTS)]
    made += [(number, ANY, kinds.index("name0")) for number in ids(NAMES)]
    return np.array(made, np.int64)
