#!/usr/bin/env escript
%% Plays scenes on OTP's own supervisor, and prints what was seen: a line `N LINE` for the start of scene N,
%% and one for each of its steps. The words are those of `scene.rs`.
%%
%% One scheduler, so that what happens in an order is also seen in it.
%%! +S 1
-module(oracle).
-mode(compile).
-behaviour(supervisor).
-export([main/1, init/1, start_kid/2, start_kid/3, begin_kid/4, start_sup/2]).

%% How long a child may take to end, in milliseconds.
-define(GRACE, 50).

main([File]) ->
    logger:set_primary_config(level, none),
    {ok, Scenes} = file:consult(File),
    Me = self(),
    Numbered = lists:zip(lists:seq(1, length(Scenes)), Scenes),
    [spawn_link(fun() -> Me ! {N, play(Scene)} end) || {N, Scene} <- Numbered],
    lists:foreach(
      fun({N, _}) ->
              receive {N, Lines} -> [io:format("~b ~s~n", [N, Line]) || Line <- Lines] end
      end, Numbered).

play({Sup, Steps}) ->
    process_flag(trap_exit, true),
    Log = spawn_link(fun() -> log([], #{}, #{}, []) end),
    Sort = element(2, Sup),
    case supervisor:start_link(?MODULE, {Log, Sup}) of
        {ok, Pid} ->
            settle(Log, Pid),
            First = line(Log),
            [First | steps(Log, Pid, Sort, Steps, [])];
        {error, Why} ->
            [say(Log, "invalid") || invalid(Why)],
            say(Log, "over"),
            [line(Log)]
    end.

%% A scene ends with its supervisor.
steps(_, _, _, [], Lines) -> lists:reverse(Lines);
steps(Log, Sup, Sort, [Step | Rest], Lines) ->
    Said = try step(Log, Sup, Sort, Step) catch exit:_ -> none end,
    [say(Log, Word) || Word <- [Said], Word =/= none],
    settle(Log, Sup),
    receive
        {'EXIT', Sup, _} ->
            say(Log, "over"),
            lists:reverse([line(Log) | Lines])
    after 0 ->
        steps(Log, Sup, Sort, Rest, [line(Log) | Lines])
    end.

step(Log, _, _, {ends, Name, How}) ->
    case ask(Log, {find, Name}) of
        none -> none;
        Pid ->
            Ref = monitor(process, Pid),
            case How of
                kill -> ask(Log, {outside, Pid}), exit(Pid, kill);
                _ -> Pid ! {order, How}
            end,
            receive {'DOWN', Ref, _, _, _} -> none end
    end;
step(_, _, _, {wait, Ms}) -> timer:sleep(Ms), none;
step(_, Sup, simple_one_for_one, {start, Kid}) -> result(supervisor:start_child(Sup, [Kid]));
step(Log, Sup, _, {start, Kid}) -> result(supervisor:start_child(Sup, spec(Log, Kid)));
step(Log, Sup, simple_one_for_one, {terminate, Name}) ->
    case ask(Log, {find, Name}) of
        none -> "not found";
        Pid -> result(supervisor:terminate_child(Sup, Pid))
    end;
step(_, Sup, _, {terminate, Name}) -> result(supervisor:terminate_child(Sup, Name));
step(_, Sup, _, {restart, Name}) -> result(supervisor:restart_child(Sup, Name));
step(_, Sup, _, {delete, Name}) -> result(supervisor:delete_child(Sup, Name));
step(_, Sup, _, which) ->
    Kids = lists:sort([{Id, Child} || {Id, Child, _, _} <- supervisor:which_children(Sup)]),
    string:join([io_lib:format("~s ~s", [Id, state(Child)]) || {Id, Child} <- Kids], ", ");
step(_, Sup, _, count) ->
    Counts = supervisor:count_children(Sup),
    Shown = [io_lib:format("~s ~b", [Key, proplists:get_value(Key, Counts)])
             || Key <- [specs, active, supervisors, workers]],
    string:join(Shown, ", ");
step(_, Sup, _, stop) ->
    Ref = monitor(process, Sup),
    exit(Sup, shutdown),
    receive {'DOWN', Ref, _, _, _} -> none end.

state(restarting) -> "restarting";
state(undefined) -> "down";
state(Pid) when is_pid(Pid) -> "up".

result(ok) -> "ok";
result({ok, _}) -> "ok";
result({error, running}) -> "running";
result({error, restarting}) -> "restarting";
result({error, not_found}) -> "not found";
result({error, already_present}) -> "already present";
result({error, {already_started, _}}) -> "already started";
result({error, Why}) ->
    case invalid(Why) of
        true -> "invalid";
        false -> "failed"
    end.

%% Whether a child was rejected before it was tried.
invalid(Why) ->
    Text = lists:flatten(io_lib:format("~p", [Why])),
    string:find(Text, "invalid") =/= nomatch orelse string:find(Text, "bad_combination") =/= nomatch.

%% Until nothing more comes: the supervisor has answered several times, and nothing was said meanwhile.
settle(Log, Sup) -> settle(Log, Sup, -1, 0).

settle(_, _, _, 5) -> ok;
settle(Log, Sup, Count, Still) ->
    catch supervisor:which_children(Sup),
    timer:sleep(4),
    case ask(Log, count) of
        Count -> settle(Log, Sup, Count, Still + 1);
        More -> settle(Log, Sup, More, 0)
    end.

%% What was said, who is who, how often each was tried, and who was killed from outside.
log(Said, Who, Tries, Outside) ->
    receive
        {From, {say, Word}} -> From ! {self(), ok}, log([Word | Said], Who, Tries, Outside);
        {From, line} -> From ! {self(), string:join(lists:reverse(Said), ", ")}, log([], Who, Tries, Outside);
        {From, count} -> From ! {self(), length(Said)}, log(Said, Who, Tries, Outside);
        {From, {outside, Pid}} -> From ! {self(), ok}, log(Said, Who, Tries, [Pid | Outside]);
        {From, {find, Name}} ->
            Pid = maps:get(Name, Who, none),
            Alive = is_pid(Pid) andalso is_process_alive(Pid),
            From ! {self(), case Alive of true -> Pid; false -> none end},
            log(Said, Who, Tries, Outside);
        {From, {try_, Name}} ->
            N = maps:get(Name, Tries, 0) + 1,
            From ! {self(), N},
            log(Said, Who, Tries#{Name => N}, Outside);
        {From, {up, Name, Pid}} ->
            monitor(process, Pid),
            From ! {self(), ok},
            log(["start " ++ atom_to_list(Name) | Said], Who#{Name => Pid}, Tries, Outside);
        {'DOWN', _, process, Pid, killed} ->
            Word = case lists:member(Pid, Outside) of
                       true -> [];
                       false -> ["kill " ++ atom_to_list(Name) || {Name, P} <- maps:to_list(Who), P =:= Pid]
                   end,
            log(Word ++ Said, Who, Tries, Outside);
        {'DOWN', _, process, _, _} -> log(Said, Who, Tries, Outside)
    end.

ask(Log, What) ->
    Log ! {self(), What},
    receive {Log, Answer} -> Answer end.

say(Log, Word) -> ask(Log, {say, lists:flatten(Word)}).

line(Log) -> ask(Log, line).

init({Log, {sup, Strategy, Restarts, Seconds, Auto, Kids}}) ->
    Flags = #{strategy => Strategy, intensity => Restarts, period => Seconds, auto_shutdown => Auto},
    Specs = case Strategy of
                simple_one_for_one -> [(spec(Log, Kid))#{start => {?MODULE, start_kid, [Log]}} || Kid <- Kids];
                _ -> [spec(Log, Kid) || Kid <- Kids]
            end,
    {ok, {Flags, Specs}}.

spec(Log, {kid, Name, Restart, Significant, Brutal, _, _, none} = Kid) ->
    #{id => Name, restart => Restart, significant => Significant,
      shutdown => case Brutal of true -> brutal_kill; false -> ?GRACE end,
      start => {?MODULE, start_kid, [Log, Kid]}};
spec(Log, {kid, Name, Restart, Significant, _, _, _, Sup}) ->
    #{id => Name, restart => Restart, significant => Significant, shutdown => infinity, type => supervisor,
      start => {?MODULE, start_sup, [Log, Sup]}}.

start_sup(Log, Sup) -> supervisor:start_link(?MODULE, {Log, Sup}).

start_kid(Log, {kid, Name, _, _, _, Deaf, Fails, _}) -> start_kid(Log, Name, {Deaf, Fails}).

start_kid(Log, Name, {Deaf, Fails}) ->
    case lists:member(ask(Log, {try_, Name}), Fails) of
        true -> say(Log, ["fail ", atom_to_list(Name)]), {error, will_not};
        false -> proc_lib:start_link(?MODULE, begin_kid, [Log, Name, self(), Deaf])
    end.

begin_kid(Log, Name, Parent, Deaf) ->
    process_flag(trap_exit, true),
    ask(Log, {up, Name, self()}),
    proc_lib:init_ack({ok, self()}),
    live(Log, Name, Parent, Deaf).

live(Log, Name, Parent, Deaf) ->
    receive
        {'EXIT', Parent, _} when Deaf -> live(Log, Name, Parent, Deaf);
        {'EXIT', Parent, Why} -> say(Log, ["stop ", atom_to_list(Name)]), exit(Why);
        {order, normal} -> exit(normal);
        {order, shutdown} -> exit(shutdown);
        {order, error} -> exit(it_failed);
        {order, panic} -> error(it_panicked)
    end.
